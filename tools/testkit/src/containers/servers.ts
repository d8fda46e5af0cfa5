import { createWriteStream, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { freePorts, fromEnvironment } from '@weir/local-stack'
import { GenericContainer, Wait, type StartedTestContainer } from 'testcontainers'

/** What the environment may name instead of the public images. */
export const IMAGES = {
  kafka: { variable: 'KAFKA_IMAGE', name: 'apache/kafka:4.3.1' },
  registry: { variable: 'REGISTRY_IMAGE', name: 'apicurio/apicurio-registry-mem:2.6.13.Final' },
  postgres: { variable: 'POSTGRES_IMAGE', name: 'postgres:18' },
  influxdb: { variable: 'INFLUX_IMAGE', name: 'influxdb:2' },
} as const

export type ServerName = keyof typeof IMAGES

export const imageOf = (name: ServerName): string =>
  fromEnvironment(IMAGES[name].variable) ?? IMAGES[name].name

export interface ServerContainer {
  readonly container: StartedTestContainer
  /** `host:port` on this machine. */
  readonly here: string
  /** `host:port` on the containers' network. */
  readonly inside: string
  /**
   * For a shell in the container: succeeds once it is ready. Not a health check of the engine, which would start a
   * process in each container every second for as long as the tests run.
   */
  readonly probe: string
}

export interface ServerContainerOptions {
  readonly network: string
  /** Of the container, and so its host name on the network: no other on the engine may have it. */
  readonly name: string
  readonly logsDir: string
}

const START_MS_MAX = 240_000
const USER = 'weir'

/** Shells of the public images lack curl and the like: bash alone asks. */
const asks = (port: number, request?: string, answer?: string): string => {
  const open = `exec 3<>/dev/tcp/127.0.0.1/${port}`
  const talk = `printf "${request ?? ''}\\r\\n\\r\\n" >&3; read -t 8 -u 3 -r line; [[ $line == *"${answer ?? ''}"* ]]`
  return `bash -c '${request === undefined ? open : `${open}; ${talk}`}'`
}

const start = async (
  container: GenericContainer,
  ports: { readonly container: number; readonly host: number },
  probe: string,
  { network, name, logsDir }: ServerContainerOptions,
  /** Where it listens on the network; default: as here. */
  portInside = ports.container,
): Promise<ServerContainer> => {
  mkdirSync(logsDir, { recursive: true })
  const log = createWriteStream(join(logsDir, `${name}.log`), { flags: 'a' })
  const started = await container
    .withNetworkMode(network)
    .withName(name)
    .withExposedPorts(ports)
    .withLogConsumer((lines) => lines.pipe(log, { end: false }))
    .withWaitStrategy(Wait.forSuccessfulCommand(probe))
    .withStartupTimeout(START_MS_MAX)
    .start()
  return { container: started, here: `127.0.0.1:${ports.host}`, inside: `${name}:${portInside}`, probe }
}

/** One broker. Clients here and on the network are told different addresses, so it has a listener for each. */
export const startKafkaContainer = async (options: ServerContainerOptions): Promise<ServerContainer> => {
  const [host] = await freePorts(1)
  const { name } = options
  const container = new GenericContainer(imageOf('kafka')).withEnvironment({
    CLUSTER_ID: 'd2Vpci10ZXN0LXN0YWNrMQ',
    KAFKA_HEAP_OPTS: '-Xms256m -Xmx768m',
    KAFKA_NODE_ID: '1',
    KAFKA_PROCESS_ROLES: 'broker,controller',
    KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
    KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
    KAFKA_INTER_BROKER_LISTENER_NAME: 'PLAINTEXT',
    KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,HOST:PLAINTEXT',
    KAFKA_LISTENERS: 'PLAINTEXT://:9092,CONTROLLER://:9093,HOST://:19092',
    KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://${name}:9092,HOST://127.0.0.1:${host!}`,
    KAFKA_LOG_DIRS: '/var/lib/kafka/data',
    KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
    KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
    KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS: '1000',
    KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS: '8',
    KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
    KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS: '8',
    KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
    KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
    KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR: '1',
    KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR: '1',
    KAFKA_TRANSACTION_ABORT_TIMED_OUT_TRANSACTION_CLEANUP_INTERVAL_MS: '1000',
  })
  return start(container, { container: 19_092, host: host! }, asks(9092), options, 9092)
}

export const startRegistryContainer = async (options: ServerContainerOptions): Promise<ServerContainer> => {
  const [host] = await freePorts(1)
  const container = new GenericContainer(imageOf('registry')).withEnvironment({
    // Restarted by tests, and records hold its ids.
    QUARKUS_DATASOURCE_JDBC_URL: 'jdbc:h2:file:/tmp/registry;DB_CLOSE_ON_EXIT=FALSE;WRITE_DELAY=0',
    // The first connection may take long on a busy machine, and without it the registry never gets ready.
    QUARKUS_DATASOURCE_JDBC_ACQUISITION_TIMEOUT: '60',
    JAVA_OPTIONS: '-Xmx384m',
  })
  const probe = asks(8080, 'GET /health/ready HTTP/1.0', ' 200 ')
  return start(container, { container: 8080, host: host! }, probe, options)
}

export const startPostgresContainer = async (options: ServerContainerOptions): Promise<ServerContainer> => {
  const [host] = await freePorts(1)
  const container = new GenericContainer(imageOf('postgres')).withEnvironment({
    POSTGRES_USER: USER,
    POSTGRES_DB: USER,
    POSTGRES_PASSWORD: USER,
  })
  // Over TCP, because the server that initialises the data listens on a socket only.
  const probe = `pg_isready -h 127.0.0.1 -U ${USER} -d ${USER}`
  return start(container, { container: 5432, host: host! }, probe, options)
}

/** With one organisation, bucket and token. */
export const startInfluxContainer = async (
  options: ServerContainerOptions,
  access: { readonly token: string; readonly org: string; readonly bucket: string },
): Promise<ServerContainer> => {
  const [host] = await freePorts(1)
  const container = new GenericContainer(imageOf('influxdb')).withEnvironment({
    DOCKER_INFLUXDB_INIT_MODE: 'setup',
    DOCKER_INFLUXDB_INIT_USERNAME: USER,
    DOCKER_INFLUXDB_INIT_PASSWORD: access.token,
    DOCKER_INFLUXDB_INIT_ADMIN_TOKEN: access.token,
    DOCKER_INFLUXDB_INIT_ORG: access.org,
    DOCKER_INFLUXDB_INIT_BUCKET: access.bucket,
  })
  const probe = asks(8086, 'GET /ping HTTP/1.0', ' 204 ')
  return start(container, { container: 8086, host: host! }, probe, options)
}

export const postgresUrl = (address: string): string => `postgres://${USER}:${USER}@${address}/${USER}`
export const registryUrl = (address: string): string => `http://${address}/apis/ccompat/v7`
