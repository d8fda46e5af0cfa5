import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { folders, weirHome, type Folders } from '@weir/local-stack'
import pg from 'pg'
import { inject } from 'vitest'

/** An InfluxDB, in the words of its version 2. */
export interface InfluxAccess {
  readonly url: string
  readonly token: string
  readonly org: string
  readonly bucket: string
}

/** How the services of a test run, see `startService`. */
export type ServiceEnvironment =
  | { readonly kind: 'processes' }
  | {
      readonly kind: 'containers'
      readonly image: string
      /** Name of the network on which the servers are, too. */
      readonly network: string
      /** `host:port` of a server on that network, by its `host:port` here. */
      readonly inside: Readonly<Record<string, string>>
    }

/** Where the real servers of a test run are. */
export interface TestServers {
  readonly kafkaBrokers: readonly string[]
  /** Base URL of the Confluent-compatible API. */
  readonly registryUrl: string
  readonly databaseUrl: string
  /** undefined: no InfluxDB in this run, and `influxMissing` says why. */
  readonly influx?: InfluxAccess
  readonly influxMissing?: string
  /** InfluxDB 2; undefined: `influx2Missing` says why, and how to have it. */
  readonly influx2?: InfluxAccess
  readonly influx2Missing?: string
  readonly services: ServiceEnvironment
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

const onServer = async (sql: string): Promise<void> => {
  const client = new pg.Client({ connectionString: testServers().databaseUrl })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

/** A new database on the test server, as a URL. It ends with the server, or stays on a given one. */
export const isolatedDatabase = async (name: string): Promise<string> => {
  const database = `test_${name.replaceAll('-', '_')}_${randomBytes(4).toString('hex')}`
  await onServer(`CREATE DATABASE ${database}`)
  return testServers().databaseUrl.replace(/[^/]*$/, database)
}

/**
 * Drops one of `isolatedDatabase` before the server ends, for roles that own something in it. Its sessions end with it.
 */
export const dropDatabase = (url: string): Promise<void> =>
  onServer(`DROP DATABASE ${new URL(url).pathname.slice(1)} WITH (FORCE)`)

/**
 * Settings of a deployment of its own for one test: its topics, groups and transactional ids share nothing with
 * another's.
 */
export const isolatedKafka = (name: string, topicPartitions = 2) => ({
  kafkaBrokers: testServers().kafkaBrokers,
  kafkaSsl: false,
  kafkaMechanism: 'plain' as const,
  topicPrefix: `${name}-${randomBytes(4).toString('hex')}.`,
  topicPartitions,
  groupSessionMs: 6_000,
  transactionTimeoutMs: 10_000,
})

const inside = new Map<string, string>()

/** Addresses of servers in a setting, as services see them. */
export const insideOf = (value: string): string => {
  const { services } = testServers()
  if (services.kind === 'processes') return value
  const all = [...Object.entries(services.inside), ...inside]
  return all.reduce((text, [here, there]) => text.replaceAll(here, there), value)
}

/** Of a server that a test has started for itself. */
export const rememberInside = (here: string, there: string): void => {
  inside.set(here, there)
}
