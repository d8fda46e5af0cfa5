import { setTimeout as sleep } from 'node:timers/promises'
import {
  buildInflux,
  fetchKafka,
  fetchRegistry,
  hasGo,
  hasMaven,
  INFLUX_DATABASE,
  influxMetricsToken,
  isInfluxBuilt,
  isKafkaFetched,
  isPortFree,
  isRegistryFetched,
  startInflux,
  startKafka,
  startPostgres,
  startRegistry,
  type Folders,
  type LocalServer,
} from '@weir/local-stack'
import { SERVICE_NAMES } from '@weir/contracts'
import { prepareDatabase } from '@weir/persistence'
import { envOf, type PortName, type StartConfig } from '../config.ts'
import { localIdentity, type LocalIdentity } from './local-state.ts'

/** The start needs an action by a person; the message says which. */
export class CannotStartError extends Error {
  override readonly name = 'CannotStartError'
}

export interface InfluxServer {
  readonly url: string
  /** Process of a server that was started here. */
  readonly token?: string
  readonly bucket?: string
  /** False: it has to be built first. */
  readonly isThere: boolean
  /**
   * Resolves when the server responds, or to the reason why it never will; it may have to be built first. Never
   * rejects.
   */
  readonly settled: Promise<string | undefined>
}

export interface Servers {
  readonly kafkaBrokers: string
  readonly registryUrl: string
  /** For persistence. */
  readonly databaseUrl: string
  /** For everything that only reads rows. */
  readonly databaseReaderUrl: string
  /** Owns the tables: for `weir hold` and `weir retention`. undefined: the database is not ours. */
  readonly databaseOwnerUrl?: string
  /** undefined: there is none, and `influxMissing` says why. */
  readonly influx?: InfluxServer
  readonly influxMissing?: string
  /** Servers that were started here; grows when InfluxDB starts later. */
  readonly started: readonly LocalServer[]
  /** Rejects when one of them ends. */
  readonly failed: Promise<never>
}

type Progress = (text: string) => void

/** Longer than any build takes that will still end. */
const BUILD_MS_MAX = 900_000

const portsToTake = (config: StartConfig): PortName[] => {
  const ports: PortName[] = SERVICE_NAMES.map((name) => `${name}Port` as const)
  if (config.kafkaBrokers === undefined) ports.push('kafkaPort', 'kafkaControllerPort')
  if (config.registryUrl === undefined) ports.push('registryPort')
  if (config.databaseUrl === undefined) ports.push('postgresPort')
  if (config.influxUrl === undefined) ports.push('influxPort')
  return ports
}

/** Throws a `CannotStartError` that names every port that is in use by another process or given twice. */
export const requireFreePorts = async (config: StartConfig): Promise<void> => {
  const taken: string[] = []
  const users = new Map<number, string>()
  for (const name of portsToTake(config)) {
    const port = config[name]
    const other = users.get(port)
    if (other !== undefined) taken.push(`port ${port} is used twice: by ${other} and by ${envOf(name)}`)
    else if (!(await isPortFree(port))) taken.push(`port ${port} (${envOf(name)}) is taken`)
    users.set(port, envOf(name))
  }
  if (taken.length === 0) return
  throw new CannotStartError(
    `${taken.join('\n')}\nStop what listens there, or set another port in the environment.`,
  )
}

/**
 * What this machine lacks to start the servers that the environment does not give. `java`: undefined when there is
 * none.
 */
export const missingPrograms = async (
  config: StartConfig,
  folders: Folders,
  java: string | undefined,
): Promise<readonly string[]> => {
  const missing: string[] = []
  const { kafkaBrokers, registryUrl } = config
  if (kafkaBrokers !== undefined && registryUrl !== undefined) return missing
  if (java === undefined)
    missing.push('a JDK or JRE of version 17 or later (Debian: openjdk-17-jre-headless)')
  const isFetched =
    (kafkaBrokers !== undefined || isKafkaFetched(folders)) &&
    (registryUrl !== undefined || isRegistryFetched(folders))
  if (!isFetched && !(await hasMaven())) missing.push('Apache Maven (Debian: maven)')
  return missing
}

/**
 * Starts the servers that the environment does not give, all at the same time. Does not wait for InfluxDB, because
 * only its exporter needs it. Stop them with `stopOwn`, also after a rejection.
 */
export const startServers = async (
  config: StartConfig,
  folders: Folders,
  java: string | undefined,
  progress: Progress,
): Promise<Servers> => {
  const started: LocalServer[] = []
  const failure = Promise.withResolvers<never>()
  failure.promise.catch(() => undefined)
  const launch = async (what: string, start: () => Promise<LocalServer>): Promise<string> => {
    const at = performance.now()
    const server = await start()
    started.push(server)
    void server.exited.then(() =>
      failure.reject(new Error(`${server.name} has ended; its log is ${server.logFile}`)),
    )
    progress(`${what} is ready after ${((performance.now() - at) / 1_000).toFixed(1)} s`)
    return server.url
  }
  const fetched = async (isThere: boolean, what: string, get: () => Promise<void>): Promise<void> => {
    if (isThere) return
    progress(`Getting ${what}`)
    await get()
  }
  const kafka = async (): Promise<string> => {
    await fetched(isKafkaFetched(folders), 'Apache Kafka 4.3.1 (54 MB)', () => fetchKafka(folders))
    const { kafkaPort: port, kafkaControllerPort: controllerPort } = config
    return launch('Kafka', () => startKafka({ folders, java: java!, port, controllerPort }))
  }
  const registry = async (): Promise<string> => {
    await fetched(isRegistryFetched(folders), 'Apicurio Registry (142 MB)', () => fetchRegistry(folders))
    const port = config.registryPort
    return launch('The schema registry', () => startRegistry({ folders, java: java!, port }))
  }
  const postgres = async (): Promise<DatabaseUrls> =>
    withRoles(
      await launch('PostgreSQL', () => startPostgres({ folders, port: config.postgresPort })),
      localIdentity(folders),
    )
  const given = config.databaseUrl
  const [kafkaBrokers, registryUrl, database] = await Promise.all([
    config.kafkaBrokers ?? kafka(),
    config.registryUrl ?? registry(),
    given === undefined ? postgres() : { databaseUrl: given, databaseReaderUrl: given },
  ])
  const influx = await influxServer(config, folders, progress, launch)
  return { kafkaBrokers, registryUrl, ...database, started, failed: failure.promise, ...influx }
}

type DatabaseUrls = Pick<Servers, 'databaseUrl' | 'databaseReaderUrl' | 'databaseOwnerUrl'>

/** The superuser's address is not passed on: writers and readers of rows get roles of their own. */
const withRoles = async (adminUrl: string, { passwords }: LocalIdentity): Promise<DatabaseUrls> => {
  const urlOf = (role: 'owner' | 'writer' | 'reader'): string => {
    const url = new URL(adminUrl)
    url.username = `weir_${role}`
    url.password = passwords[role]
    return url.href
  }
  const [databaseUrl, databaseReaderUrl, databaseOwnerUrl] = [
    urlOf('writer'),
    urlOf('reader'),
    urlOf('owner'),
  ]
  await prepareDatabase({
    adminUrl,
    ownerUrl: databaseOwnerUrl,
    writerUrl: databaseUrl,
    readerUrl: databaseReaderUrl,
  })
  return { databaseUrl, databaseReaderUrl, databaseOwnerUrl }
}

const influxServer = async (
  config: StartConfig,
  folders: Folders,
  progress: Progress,
  launch: (what: string, start: () => Promise<LocalServer>) => Promise<string>,
): Promise<Pick<Servers, 'influx' | 'influxMissing'>> => {
  if (config.influxUrl !== undefined) {
    return { influx: { url: config.influxUrl, isThere: true, settled: Promise.resolve(undefined) } }
  }
  const isBuilt = isInfluxBuilt(folders)
  if (!isBuilt && !(await hasGo())) {
    return {
      influxMissing:
        'there is neither Go to build InfluxDB nor INFLUX_URL; its metrics are served for Prometheus',
    }
  }
  const { influxPort: port } = config
  const { influx: password, influxMetrics: metricsPassword } = localIdentity(folders).passwords
  const start = async (): Promise<undefined> => {
    if (!isBuilt) {
      progress('Building InfluxDB 1.8.10 in the background, about a minute')
      await buildInflux(folders)
    }
    await launch('InfluxDB', () => startInflux({ folders, port, password, metricsPassword }))
  }
  const settled = Promise.race([
    start().catch((error: unknown) => (error as Error).message),
    sleep(BUILD_MS_MAX, `it did not appear within ${BUILD_MS_MAX / 60_000} minutes`, { ref: false }),
  ])
  return {
    influx: {
      url: `http://127.0.0.1:${port}`,
      token: influxMetricsToken(metricsPassword),
      bucket: `${INFLUX_DATABASE}/autogen`,
      isThere: isBuilt,
      settled,
    },
  }
}
