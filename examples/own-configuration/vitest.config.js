import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Kafka, the registry, PostgreSQL and InfluxDB, once for all tests.
  test: { globalSetup: '@weir/testkit/global-setup', testTimeout: 240_000, hookTimeout: 240_000 },
})
