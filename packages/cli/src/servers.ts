import { rm } from 'node:fs/promises'
import {
  buildInflux,
  fetchKafka,
  fetchRegistry,
  findJava,
  hasGo,
  hasMaven,
  INFLUX_DATABASE,
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
import { envOf, type PortName, type StartConfig } from './config.ts'

/** What a person has to do before it can start; the message says it all. */
export class CannotStartError extends Error {
  override readonly name = 'CannotStartError'
}

export interface Servers {
  readonly kafkaBrokers: string
  readonly registryUrl: string
  readonly databaseUrl: string
  /** undefined: there is none, and `influxMissing` says why. Otherwise it may answer only later. */
  readonly influx?: { readonly url: string; readonly bucket?: string }
  readonly influxMissing?: string
  /** Those that were started here; grows when InfluxDB has been built. */
  readonly started: readonly LocalServer[]
  stop(): Promise<void>
}

type Progress = (text: string) => void

const portsToTake = (config: StartConfig): PortName[] => {
  const ports: PortName[] = ['ingressPort', 'dedupProbePort', 'normalizerProbePort', 'persistenceProbePort']
  ports.push('metricExportProbePort', 'simulatorProbePort')
  if (config.kafkaBrokers === undefined) ports.push('kafkaPort', 'kafkaControllerPort')
  if (config.registryUrl === undefined) ports.push('registryPort')
  if (config.databaseUrl === undefined) ports.push('postgresPort')
  if (config.influxUrl === undefined) ports.push('influxPort', 'influxBackupPort')
  return ports
}

/** Throws a `CannotStartError` that names every port which something else listens on. */
export const requireFreePorts = async (config: StartConfig): Promise<void> => {
  const taken: string[] = []
  for (const name of portsToTake(config)) {
    if (!(await isPortFree(config[name]))) taken.push(`port ${config[name]} (${envOf(name)}) is taken`)
  }
  if (taken.length === 0) return
  throw new CannotStartError(
    `${taken.join('\n')}\nStop what listens there, or set another port in the environment.`,
  )
}

/** What is missing on this machine to start the servers that the environment does not give. */
export const missingPrograms = async (config: StartConfig, folders: Folders): Promise<readonly string[]> => {
  const missing: string[] = []
  const { kafkaBrokers, registryUrl } = config
  if (kafkaBrokers !== undefined && registryUrl !== undefined) return missing
  if ((await findJava()) === undefined)
    missing.push('a JDK or JRE of version 17 or later (Debian: openjdk-17-jre-headless)')
  const isFetched =
    (kafkaBrokers !== undefined || isKafkaFetched(folders)) &&
    (registryUrl !== undefined || isRegistryFetched(folders))
  if (!isFetched && !(await hasMaven())) missing.push('Apache Maven (Debian: maven)')
  return missing
}

/** Starts what the environment does not give, all at the same time. InfluxDB comes later when it has to be built first. */
export const startServers = async (
  config: StartConfig,
  folders: Folders,
  progress: Progress,
): Promise<Servers> => {
  const started: LocalServer[] = []
  const java = (await findJava()) ?? 'java'
  const launch = async (what: string, start: () => Promise<LocalServer>): Promise<string> => {
    const at = performance.now()
    const server = await start()
    started.push(server)
    progress(`${what} is ready after ${((performance.now() - at) / 1_000).toFixed(1)} s`)
    return server.url
  }
  const fetched = async (isThere: boolean, what: string, get: () => Promise<void>): Promise<void> => {
    if (isThere) return
    progress(`Getting ${what}`)
    await get()
  }
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((server) => server.stop()))
  }
  const kafka = async (): Promise<string> => {
    await fetched(isKafkaFetched(folders), 'Apache Kafka 4.3.1 (54 MB)', () => fetchKafka(folders))
    const { kafkaPort: port, kafkaControllerPort: controllerPort } = config
    return launch('Kafka', () => startKafka({ folders, java, port, controllerPort }))
  }
  const registry = async (): Promise<string> => {
    await fetched(isRegistryFetched(folders), 'Apicurio Registry (142 MB)', () => fetchRegistry(folders))
    return launch('The schema registry', () => startRegistry({ folders, java, port: config.registryPort }))
  }
  const postgres = () => launch('PostgreSQL', () => startPostgres({ folders, port: config.postgresPort }))
  try {
    const [kafkaBrokers, registryUrl, databaseUrl] = await Promise.all([
      config.kafkaBrokers ?? kafka(),
      config.registryUrl ?? registry(),
      config.databaseUrl ?? postgres(),
    ])
    const servers = { kafkaBrokers, registryUrl, databaseUrl, started, stop }
    return { ...servers, ...(await influxServer(config, folders, progress, launch)) }
  } catch (error) {
    await stop()
    throw error
  }
}

const influxServer = async (
  config: StartConfig,
  folders: Folders,
  progress: Progress,
  launch: (what: string, start: () => Promise<LocalServer>) => Promise<string>,
): Promise<Pick<Servers, 'influx' | 'influxMissing'>> => {
  if (config.influxUrl !== undefined) return { influx: { url: config.influxUrl } }
  const isBuilt = isInfluxBuilt(folders)
  if (!isBuilt && !(await hasGo())) {
    return {
      influxMissing:
        'there is neither Go to build InfluxDB nor INFLUX_URL; its metrics are served for Prometheus',
    }
  }
  const { influxPort: port, influxBackupPort: backupPort } = config
  const start = () => launch('InfluxDB', () => startInflux({ folders, port, backupPort }))
  if (isBuilt) {
    await start()
  } else {
    progress('Building InfluxDB 1.8.10 in the background, about a minute')
    buildInflux(folders)
      .then(start)
      .catch((error: unknown) => progress(`InfluxDB is not there: ${(error as Error).message}`))
  }
  return { influx: { url: `http://127.0.0.1:${port}`, bucket: `${INFLUX_DATABASE}/autogen` } }
}

export const deleteState = (folders: Folders): Promise<void> =>
  rm(folders.state, { recursive: true, force: true })
