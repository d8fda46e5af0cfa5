import { randomBytes } from 'node:crypto'
import {
  buildInflux,
  buildInflux2,
  fetchKafka,
  fetchRegistry,
  findJava,
  freePorts,
  fromEnvironment,
  hasCargo,
  hasGo,
  hasMaven,
  influxToken,
  isInflux2Built,
  isInfluxBuilt,
  isKafkaFetched,
  isRegistryFetched,
  startInflux,
  startInflux2,
  startKafka,
  startPostgres,
  startRegistry,
  type Folders,
} from '@weir/local-stack'
import type { InfluxAccess, TestServers } from './environment.ts'

type Progress = (text: string) => void
type Servers = Omit<TestServers, 'under'>

/** Servers as processes of this machine, but for those that the environment names. */
export const startLocalServers = async (folders: Folders, progress: Progress): Promise<Servers> => {
  const influx2 = await influx2Server(folders, progress)
  const java = await requireJava(folders)
  const [kafkaPort, controllerPort, registryPort, postgresPort, influxPort] = await freePorts(5)
  const kafka = async (): Promise<string> => {
    if (!isKafkaFetched(folders)) progress('Getting Apache Kafka')
    await fetchKafka(folders)
    const ports = { port: kafkaPort!, controllerPort: controllerPort! }
    return (await startKafka({ folders, java, ...ports, properties: KAFKA_PROPERTIES })).url
  }
  const registry = async (): Promise<string> => {
    if (!isRegistryFetched(folders)) progress('Getting the schema registry')
    await fetchRegistry(folders)
    return (await startRegistry({ folders, java, port: registryPort! })).url
  }
  const postgres = async (): Promise<string> =>
    (await startPostgres({ folders, port: postgresPort!, fsync: false })).url
  const influx = async (): Promise<InfluxAccess | undefined> => {
    const url = fromEnvironment('INFLUX_URL')
    if (url !== undefined) return givenInflux(url)
    if (!isInfluxBuilt(folders)) {
      if (!(await hasGo())) return undefined
      progress('Building InfluxDB, about a minute')
      await buildInflux(folders)
    }
    const password = randomBytes(16).toString('hex')
    const server = await startInflux({ folders, port: influxPort!, password })
    return { url: server.url, token: influxToken(password), org: 'default', bucket: 'cxone_metrics/autogen' }
  }
  const [brokers, registryUrl, databaseUrl, influxAccess] = await Promise.all([
    fromEnvironment('KAFKA_BROKERS') ?? kafka(),
    fromEnvironment('SCHEMA_REGISTRY_URL') ?? registry(),
    fromEnvironment('DATABASE_URL') ?? postgres(),
    influx(),
  ])
  return {
    kafkaBrokers: brokers.split(','),
    registryUrl,
    databaseUrl,
    services: { kind: 'processes' },
    ...(influxAccess === undefined
      ? { influxMissing: 'there is neither Go nor INFLUX_URL' }
      : { influx: influxAccess }),
    ...influx2,
  }
}

const givenInflux = (url: string): InfluxAccess => ({
  url,
  token: fromEnvironment('INFLUX_TOKEN') ?? '',
  org: fromEnvironment('INFLUX_ORG') ?? 'default',
  bucket: fromEnvironment('INFLUX_BUCKET') ?? 'cxone_metrics/autogen',
})

const BUILD_VARIABLE = 'WEIR_BUILD_INFLUX2'

/** Its build takes minutes, so it happens only when asked for; once built, it is always used. */
const influx2Server = async (
  folders: Folders,
  progress: Progress,
): Promise<Pick<TestServers, 'influx2' | 'influx2Missing'>> => {
  if (!isInflux2Built()) {
    if ((fromEnvironment(BUILD_VARIABLE) ?? fromEnvironment('CI')) !== 'true') {
      return {
        influx2Missing: `it was not built yet; ${BUILD_VARIABLE}=true builds it once, in about 5 minutes`,
      }
    }
    if (!((await hasGo()) && (await hasCargo()))) {
      return { influx2Missing: 'to build it takes Go and cargo' }
    }
    progress('Building InfluxDB 2.9.1, about 5 minutes, once')
    try {
      await buildInflux2(folders)
    } catch (error) {
      return { influx2Missing: `it could not be built: ${(error as Error).message}` }
    }
  }
  const [port] = await freePorts(1)
  const { url, token, org, bucket } = await startInflux2({ folders, port: port! })
  return { influx2: { url, token, org, bucket } }
}

/** So that tests need not wait long until the death of a consumer is noticed. */
const KAFKA_PROPERTIES = { 'group.min.session.timeout.ms': 1_000 }

const requireJava = async (folders: Folders): Promise<string> => {
  if (fromEnvironment('KAFKA_BROKERS') !== undefined && fromEnvironment('SCHEMA_REGISTRY_URL') !== undefined)
    return 'java'
  const instead = 'or KAFKA_BROKERS and SCHEMA_REGISTRY_URL.'
  const java = await findJava()
  if (java === undefined) {
    throw new Error(`The integration tests need a JDK or JRE of version 17 or later, ${instead}`)
  }
  if (!(isKafkaFetched(folders) && isRegistryFetched(folders)) && !(await hasMaven())) {
    throw new Error(`The integration tests need Maven to get Kafka and the registry, ${instead}`)
  }
  return java
}
