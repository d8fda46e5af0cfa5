import { defineConfig } from 'vitest/config'

/** Unit and property tests need nothing; integration tests take real servers from the testkit. */
export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Ports and CPU time are shared with whatever else runs there; the reporter names what needed a second try.
    retry: process.env.CI === undefined ? 0 : 1,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: [
            '{bench,cli,packages,services,tools,verification}/**/*.test.ts',
            'tests/{compose,faults,security,values}/**/*.test.ts',
          ],
          exclude: ['**/*.integration.test.ts', '**/node_modules/**'],
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['{cli,packages,services,tests/values,tools,verification}/**/*.integration.test.ts'],
          globalSetup: ['tools/testkit/src/global-setup.ts'],
          maxWorkers: 2,
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['tests/e2e/**/*.test.ts'],
          globalSetup: ['tools/testkit/src/global-setup.ts'],
          testTimeout: 240_000,
          // A pipeline in containers takes both cores of a small machine.
          maxWorkers: process.env.TEST_ENVIRONMENT === 'containers' ? 1 : 2,
          // Alone on the machine: these measure nothing, but they wait for whole pipelines.
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
