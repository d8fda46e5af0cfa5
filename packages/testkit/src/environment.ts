import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { folders, weirHome, type Folders } from '@weir/local-stack'
import pg from 'pg'
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
  /** InfluxDB 2, with one organisation and bucket; undefined: `influx2Missing` says why, and how to have it. */
  readonly influx2?: {
    readonly url: string
    readonly token: string
    readonly org: string
    readonly bucket: string
  }
  readonly influx2Missing?: string
  /** This test run's folder under WEIR_HOME; see `isolatedFolders`. */
  readonly under: string
}

declare module 'vitest' {
  interface ProvidedContext {
    weirServers: TestServers
  }
}

/** The servers that the global set-up found or started. */
export const testServers = (): TestServers => inject('weirServers')

/** Folders of its own for one test: state ends with the run, logs stay until the next one, downloads are shared. */
export const isolatedFolders = (name: string): Folders => {
  const id = `${name}-${randomBytes(3).toString('hex')}`
  const { state, logs, ...shared } = folders(weirHome(), testServers().under)
  return { ...shared, state: join(state, id), logs: join(logs, id), run: join(state, id, 'run') }
}

/** A new database on the test server, as a URL. It ends with the server, or stays on a given one. */
export const isolatedDatabase = async (name: string): Promise<string> => {
  const { databaseUrl } = testServers()
  const database = `test_${name.replaceAll('-', '_')}_${randomBytes(4).toString('hex')}`
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    await client.query(`CREATE DATABASE ${database}`)
  } finally {
    await client.end()
  }
  return databaseUrl.replace(/[^/]*$/, database)
}

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
