import {
  buildInflux,
  fetchKafka,
  fetchRegistry,
  findJava,
  folders as foldersOf,
  freePorts,
  hasGo,
  hasMaven,
  isInfluxBuilt,
  isKafkaFetched,
  isRegistryFetched,
  startInflux,
  startKafka,
  startPostgres,
  startRegistry,
  stopLeftovers,
  weirHome,
  type LocalServer,
} from '@weir/local-stack'
import type { TestProject } from 'vitest/node'
import './environment.ts'

const progress = (text: string): void => {
  process.stderr.write(`${text}\n`)
}

/** Gives the integration tests their servers: those of the environment, else local ones that end with the run. */
export default async (project: TestProject): Promise<() => Promise<void>> => {
  const { KAFKA_BROKERS, SCHEMA_REGISTRY_URL, DATABASE_URL, INFLUX_URL } = process.env
  const folders = foldersOf(weirHome(), `test-${process.pid}`)
  const started: LocalServer[] = []
  const launch = async (start: () => Promise<LocalServer>): Promise<string> => {
    const server = await start()
    started.push(server)
    return server.url
  }
  const [kafkaPort, controllerPort, registryPort, postgresPort, influxPort, backupPort] = await freePorts(6)
  const java = await findJava()
  const needsJava = KAFKA_BROKERS === undefined || SCHEMA_REGISTRY_URL === undefined
  if (needsJava && java === undefined) {
    throw new Error(
      'The integration tests need a JDK or JRE of version 17 or later, or KAFKA_BROKERS and SCHEMA_REGISTRY_URL.',
    )
  }
  if (needsJava && !(isKafkaFetched(folders) && isRegistryFetched(folders)) && !(await hasMaven())) {
    throw new Error(
      'The integration tests need Maven to get Kafka and the registry, or KAFKA_BROKERS and SCHEMA_REGISTRY_URL.',
    )
  }
  await stopLeftovers(folders.run)
  const kafka = async (): Promise<string> => {
    if (!isKafkaFetched(folders)) progress('Getting Apache Kafka')
    await fetchKafka(folders)
    return launch(() =>
      startKafka({ folders, java: java!, port: kafkaPort!, controllerPort: controllerPort! }),
    )
  }
  const registry = async (): Promise<string> => {
    if (!isRegistryFetched(folders)) progress('Getting the schema registry')
    await fetchRegistry(folders)
    return launch(() => startRegistry({ folders, java: java!, port: registryPort! }))
  }
  const influx = async (): Promise<string | undefined> => {
    if (!isInfluxBuilt(folders)) {
      if (!(await hasGo())) return undefined
      progress('Building InfluxDB, about a minute')
      await buildInflux(folders)
    }
    return launch(() => startInflux({ folders, port: influxPort!, backupPort: backupPort! }))
  }
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((server) => server.stop()))
  }
  try {
    const [brokers, registryUrl, databaseUrl, influxUrl] = await Promise.all([
      KAFKA_BROKERS ?? kafka(),
      SCHEMA_REGISTRY_URL ?? registry(),
      DATABASE_URL ?? launch(() => startPostgres({ folders, port: postgresPort!, fsync: false })),
      INFLUX_URL ?? influx(),
    ])
    project.provide('weirServers', {
      ...{ kafkaBrokers: brokers.split(','), registryUrl, databaseUrl },
      ...(influxUrl === undefined ? { influxMissing: 'there is neither Go nor INFLUX_URL' } : { influxUrl }),
    })
    return stop
  } catch (error) {
    await stop()
    throw error
  }
}
