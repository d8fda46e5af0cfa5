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
 * Files that may hold a function of more than 70 lines: each of these functions is one sequence, such as wiring parts
 * in the order in which they start, and pieces of it would only pass its variables on.
 */
const LONG_FUNCTIONS = [
  'cli/src/start/start.ts',
  'packages/kafka/src/admin/maintenance.ts',
  'packages/kafka/src/processor/processor.ts',
  'packages/kafka/src/simulation/conformance/real-broker.ts',
  'services/{console,ingress,replay,simulator}/src/start.ts',
  'services/replay/src/api/job-routes.ts',
  'tests/faults/src/run.ts',
  'tests/security/src/rig/rig.ts',
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
