import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

/**
 * Files that run at the same time. Many tests wait for a time limit, a broker or a child process and need no CPU
 * meanwhile. On a machine with two cores Vitest's default is one file at a time.
 */
const WORKERS = Math.max(4, availableParallelism())

/** Unit and property tests need nothing; integration tests take real servers from the testkit. */
export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // The servers of the tests stop within this time. After it Vitest exits and leaves their data behind.
    teardownTimeout: 60_000,
    maxWorkers: WORKERS,
    // Ports and CPU time are shared with whatever else runs there; the reporter names what needed a second try.
    retry: process.env.CI === undefined ? 0 : 1,
    // With --coverage. Code that runs in child processes, as the end-to-end tests start it, does not count.
    coverage: {
      provider: 'v8',
      include: ['{cli,packages,services}/**/src/**/*.ts'],
      exclude: ['**/*.test.ts', '**/testing/**', '**/simulation/**'],
      reporter: ['text-summary', 'json-summary'],
      reportsDirectory: '.weir/coverage',
      reportOnFailure: true,
    },
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
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['tests/e2e/**/*.test.ts'],
          globalSetup: ['tools/testkit/src/global-setup.ts'],
          testTimeout: 240_000,
          // A deployment in containers takes both cores of a small machine.
          maxWorkers: process.env.TEST_ENVIRONMENT === 'containers' ? 1 : 3,
          // After the others, because these tests wait for whole deployments.
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
