import tseslint from 'typescript-eslint'

/**
 * A literal that is spread into a literal turns off TypeScript's check for excess properties. ESLint replaces the
 * options of a rule where a later block names it, so every block that names this rule repeats these selectors.
 */
const LITERAL_SPREADS = [
  'ObjectExpression > SpreadElement > ObjectExpression.argument',
  ':matches(ArrayExpression, CallExpression, NewExpression) > SpreadElement > ArrayExpression.argument',
].map((selector) => ({ selector, message: 'Write the members of the literal directly, without a spread.' }))

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
    // What reaches a terminal has no power over it: `print`, `progress` and the logger see to that.
    files: ['{cli,{packages,services,verification}/*}/src/**/*.ts'],
    ignores: [
      '**/*.test.ts',
      '**/testing/**',
      'packages/{local-stack,testkit}/**',
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
