import { randomBytes } from 'node:crypto'
import { inject } from 'vitest'

/** Where the real servers of a test run are. */
export interface TestServers {
  readonly kafkaBrokers: readonly string[]
  /** Base URL of the Confluent-compatible API. */
  readonly registryUrl: string
  readonly databaseUrl: string
  /** undefined: no InfluxDB in this run, and `influxMissing` says why. */
  readonly influxUrl?: string
  readonly influxMissing?: string
}

declare module 'vitest' {
  interface ProvidedContext {
    weirServers: TestServers
  }
}

/** The servers that the global set-up found or started. */
export const testServers = (): TestServers => inject('weirServers')

/** Settings of a deployment of its own for one test: its topics, groups and transactional ids share nothing with another's. */
export const isolatedKafka = (name: string, topicPartitions = 2) => ({
  kafkaBrokers: testServers().kafkaBrokers,
  kafkaSsl: false,
  kafkaMechanism: 'plain' as const,
  topicPrefix: `${name}-${randomBytes(4).toString('hex')}.`,
  topicPartitions,
  groupSessionMs: 6_000,
  transactionTimeoutMs: 10_000,
})
