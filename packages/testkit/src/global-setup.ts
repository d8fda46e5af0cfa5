import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  buildInflux,
  buildInflux2,
  fetchKafka,
  fetchRegistry,
  findJava,
  folders as foldersOf,
  freePorts,
  hasCargo,
  hasGo,
  hasMaven,
  isInflux2Built,
  isInfluxBuilt,
  isKafkaFetched,
  isRegistryFetched,
  isRunning,
  startInflux,
  startInflux2,
  startKafka,
  startPostgres,
  startRegistry,
  stopLeftovers,
  stopOwn,
  weirHome,
  type Folders,
} from '@weir/local-stack'
import type { TestProject } from 'vitest/node'
import type { TestServers } from './environment.ts'

const progress = (text: string): void => {
  process.stderr.write(`${text}\n`)
}

interface Shared {
  users: number
  readonly servers: Promise<TestServers>
  readonly folders: Folders
}

declare global {
  var weirTestServers: Shared | undefined
}

/** Gives the tests their servers: those of the environment, else local ones that end with the run. Projects of one run share them. */
export default async (project: TestProject): Promise<() => Promise<void>> => {
  const shared = (globalThis.weirTestServers ??= open())
  shared.users += 1
  const close = async (): Promise<void> => {
    shared.users -= 1
    if (shared.users > 0) return
    globalThis.weirTestServers = undefined
    await stopOwn(shared.folders.run)
    // The logs stay until the next run.
    rmSync(shared.folders.state, { recursive: true, force: true })
  }
  try {
    project.provide('weirServers', await shared.servers)
    return close
  } catch (error) {
    await close()
    throw error
  }
}

const NAME = 'test-'

const open = (): Shared => {
  const home = weirHome()
  const folders = foldersOf(home, `${NAME}${process.pid}`)
  const servers = removeOldRuns(home).then(() => start(folders))
  servers.catch(() => undefined)
  return { users: 0, servers, folders }
}

const removeOldRuns = async (home: string): Promise<void> => {
  mkdirSync(home, { recursive: true })
  const names = readdirSync(home).filter((name) => name.startsWith(NAME))
  for (const name of names) {
    if (isRunning(Number(name.slice(NAME.length)))) continue
    await stopLeftovers(foldersOf(home, name).run)
    rmSync(join(home, name), { recursive: true, force: true })
  }
}

const given = (name: string): string | undefined => {
  const value = process.env[name]
  return value === '' ? undefined : value
}

const start = async (folders: Folders): Promise<TestServers> => {
  const influx2 = await influx2Server(folders)
  const java = await requireJava(folders)
  const [kafkaPort, controllerPort, registryPort, postgresPort, influxPort, backupPort] = await freePorts(6)
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
  const influx = async (): Promise<string | undefined> => {
    if (!isInfluxBuilt(folders)) {
      if (!(await hasGo())) return undefined
      progress('Building InfluxDB, about a minute')
      await buildInflux(folders)
    }
    return (await startInflux({ folders, port: influxPort!, backupPort: backupPort! })).url
  }
  const [brokers, registryUrl, databaseUrl, influxUrl] = await Promise.all([
    given('KAFKA_BROKERS') ?? kafka(),
    given('SCHEMA_REGISTRY_URL') ?? registry(),
    given('DATABASE_URL') ?? postgres(),
    given('INFLUX_URL') ?? influx(),
  ])
  return {
    ...{ kafkaBrokers: brokers.split(','), registryUrl, databaseUrl, under: `${NAME}${process.pid}` },
    ...(influxUrl === undefined ? { influxMissing: 'there is neither Go nor INFLUX_URL' } : { influxUrl }),
    ...influx2,
  }
}

const BUILD_VARIABLE = 'WEIR_BUILD_INFLUX2'

/** Its build takes minutes, so it happens only when asked for; once built, it is always used. */
const influx2Server = async (folders: Folders): Promise<Pick<TestServers, 'influx2' | 'influx2Missing'>> => {
  if (!isInflux2Built()) {
    if ((given(BUILD_VARIABLE) ?? given('CI')) !== 'true') {
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
  if (given('KAFKA_BROKERS') !== undefined && given('SCHEMA_REGISTRY_URL') !== undefined) return 'java'
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
