import tseslint from 'typescript-eslint'
import commentWidth from './tools/eslint/comment-width.mjs'

/**
 * A literal that is spread into a literal turns off TypeScript's check for excess properties. ESLint replaces the
 * options of a rule where a later block names it, so every block that names this rule repeats these selectors.
 */
const LITERAL_SPREADS = [
  'ObjectExpression > SpreadElement > ObjectExpression.argument',
  ':matches(ArrayExpression, CallExpression, NewExpression) > SpreadElement > ArrayExpression.argument',
].map((selector) => ({ selector, message: 'Write the members of the literal directly, without a spread.' }))

/**
 * Files that may hold a function of more than 70 lines, each with its reason. Pieces of these functions would only pass
 * their variables on.
 */
const LONG_FUNCTIONS = [
  // Starts every server and service in order; what is open so far must close when a later one fails.
  'cli/src/start/start.ts',
  // An object of methods that share one cluster, one admin client and one set of known topics.
  'packages/kafka/src/admin/maintenance.ts',
  // Wires three clusters, the membership and the tasks, and undoes each step when a later one fails.
  'packages/kafka/src/processor/processor.ts',
  // A table with one request of the conformance script for each entry.
  'packages/kafka/src/simulation/conformance/real-broker.ts',
  // Wire the parts of a service in the order in which they start, and register how each closes.
  'services/{console,ingress,replay,simulator}/src/start.ts',
  // Routes that share the jobs that were sent and are not in the state yet.
  'services/replay/src/api/job-routes.ts',
  // A run from its servers to its summary: later phases use what earlier ones measured.
  'tests/faults/src/run.ts',
  // Starts the rig in order; the list of its service processes is a table.
  'tests/security/src/rig/rig.ts',
  // Starts a container engine in order; every folder and process must be removed when a later step fails.
  'tools/containers/engine.ts',
]

export default tseslint.config(
  { ignores: ['**/node_modules/**', '.weir/**', 'patches/**'] },
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/consistent-type-definitions': 'off',
      '@typescript-eslint/require-await': 'off',
      'no-restricted-syntax': ['error', ...LITERAL_SPREADS],
    },
  },
  {
    files: ['**/*.{ts,mjs}'],
    plugins: { weir: { rules: { 'comment-width': commentWidth } } },
    rules: { 'weir/comment-width': 'error', 'max-lines': ['error', { max: 400 }] },
  },
  {
    // A suite in a `describe` is one function, however many tests it has.
    files: ['**/*.ts'],
    ignores: ['**/*.test.ts', ...LONG_FUNCTIONS],
    rules: { 'max-lines-per-function': ['error', { max: 70 }] },
  },
  {
    // A setting is read, checked and documented in one place. Here, what cannot import that place.
    files: ['**/*.ts'],
    ignores: [
      '**/config.ts',
      '**/*.test.ts',
      // The configuration of Vitest itself.
      'vitest.config.ts',
      // Must load before any module of the product does.
      'tests/faults/src/defects/plant.ts',
      // Measured on their own, without a module of Weir in their process.
      'bench/src/ingress/{bare,naive}-server.ts',
    ],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Only config.ts reads the environment.' },
      ],
    },
  },
  {
    // What reaches a terminal has no power over it: `print`, `progress` and the logger see to that.
    files: ['{cli,{packages,services,verification}/*}/src/**/*.ts'],
    ignores: [
      '**/*.test.ts',
      '**/testing/**',
      'cli/src/output.ts',
      'packages/runtime/src/service/{service,failpoint}.ts',
    ],
    rules: {
      'no-console': 'error',
      'no-restricted-syntax': [
        'error',
        ...LITERAL_SPREADS,
        {
          selector:
            'CallExpression[callee.property.name="write"] > MemberExpression > MemberExpression[object.name="process"]',
          message: 'Write to a terminal by print, progress, printPage or printJson of cli/src/output.ts.',
        },
      ],
    },
  },
  {
    files: ['**/*.test.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        ...LITERAL_SPREADS,
        {
          selector:
            'CallExpression[callee.property.name="toMatchObject"] > ObjectExpression.arguments ObjectExpression[properties.length=0]',
          message: 'toMatchObject takes any object for {}: compare it with toEqual.',
        },
        {
          selector: 'TemplateElement[value.raw=/(CREATE|DROP) DATABASE/]',
          message:
            'Take isolatedDatabase of @weir/testkit: DROP DATABASE fails while a session is still open.',
        },
      ],
    },
  },
)
