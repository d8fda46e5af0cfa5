import {
  fetchKafka,
  fetchRegistry,
  findJava,
  type Folders,
  fromEnvironment,
  type LocalServer,
  startKafka,
  startPostgres,
  startRegistry,
} from '@weir/local-stack'
import type { Tier } from '../tier.ts'

export interface Servers {
  readonly kafkaBrokers: string
  /** Of our own Kafka, to stop it for a while; undefined: it was given. */
  readonly kafka?: LocalServer
  /** Full tier only. */
  readonly registryUrl?: string
  readonly databaseUrl?: string
  stop(): Promise<void>
}

export interface ServerPorts {
  readonly kafka: number
  readonly kafkaController: number
  readonly registry: number
  readonly postgres: number
}

/** Those of KAFKA_BROKERS, SCHEMA_REGISTRY_URL and DATABASE_URL; what is not given is started. */
export const startServers = async (folders: Folders, ports: ServerPorts, tier: Tier): Promise<Servers> => {
  const brokers = fromEnvironment('KAFKA_BROKERS')
  const registryUrl = fromEnvironment('SCHEMA_REGISTRY_URL')
  const databaseUrl = fromEnvironment('DATABASE_URL')
  const java = await findJava()
  const started: LocalServer[] = []
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((server) => server.stop()))
  }
  const launch = async (server: Promise<LocalServer>): Promise<LocalServer> => {
    started.push(await server)
    return server
  }
  const needJava = (what: string): string => {
    if (java === undefined) throw new Error(`${what} needs Java 17 or later`)
    return java
  }
  const kafka = async (): Promise<LocalServer | undefined> => {
    if (brokers !== undefined) return undefined
    await fetchKafka(folders)
    const options = {
      folders,
      java: needJava('Kafka'),
      port: ports.kafka,
      controllerPort: ports.kafkaController,
    }
    return launch(startKafka(options))
  }
  const registry = async (): Promise<string | undefined> => {
    if (tier === 'short' || registryUrl !== undefined) return registryUrl
    await fetchRegistry(folders)
    return (await launch(startRegistry({ folders, java: needJava('The registry'), port: ports.registry })))
      .url
  }
  const postgres = async (): Promise<string | undefined> => {
    if (tier === 'short' || databaseUrl !== undefined) return databaseUrl
    return (await launch(startPostgres({ folders, port: ports.postgres, fsync: false }))).url
  }
  try {
    const [broker, registryUrl, databaseUrl] = await Promise.all([kafka(), registry(), postgres()])
    return {
      kafkaBrokers: broker?.url ?? brokers!,
      ...(broker && { kafka: broker }),
      ...(registryUrl && { registryUrl }),
      ...(databaseUrl && { databaseUrl }),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}
