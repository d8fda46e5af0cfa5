import { join } from 'node:path'
import { EVENT_SERVICES, portVariable, type ServiceName } from '@weir/contracts'
import { influxToken, ROOT, type Folders } from '@weir/local-stack'

/** How a rig is built. */
export interface RigShape {
  readonly brokers: 1 | 3
  readonly partitions: number
  readonly sessionMs: number
  /** How long a stage waits for a batch to gather: the shorter, the more of the time a transaction is open. */
  readonly lingerMs: number
  /**
   * Connections to and between the brokers go through proxies, the clocks of two processes can be stepped, and the last
   * broker has a small disk of its own.
   */
  readonly isBreakable: boolean
}

export const SESSION_MS = 6_000
export const USUAL: RigShape = {
  brokers: 3,
  partitions: 4,
  sessionMs: SESSION_MS,
  lingerMs: 200,
  isBreakable: false,
}
export const TRANSACTION_MS = 10_000
/** The default dedup window, longer than any run. */
export const WINDOW_MS = 86_400_000
/** After it an unacknowledged request gets 503. */
export const BUDGET_MS = 4_000

/** Secrets of the rig alone: long enough for the production profile. */
const SECRET = 'of-the-fault-rig-and-of-nothing-else'
export const SECRETS = {
  cxone: `cxone-${SECRET}`,
  dataAction: `data-action-${SECRET}`,
  nice: `nice-${SECRET}`,
}

/** What services speak to besides Kafka. */
export const STORES = ['postgres', 'registry', 'influx'] as const
export type StoreName = (typeof STORES)[number]

export interface Ports {
  readonly broker: (nodeId: number) => number
  readonly controller: (nodeId: number) => number
  readonly registry: number
  readonly postgres: number
  readonly influx: number
  /** Of the proxy through which services reach a server. */
  readonly proxied: (server: StoreName) => number
  /** In a breakable rig: where a broker listens for services, behind a proxy, and for other brokers. */
  readonly behindProxy: (nodeId: number) => number
  readonly proxiedBroker: (nodeId: number) => number
  readonly betweenBrokers: (nodeId: number) => number
  /** HTTP of ingress, probes of the others. */
  readonly service: (kind: ServiceName, index: number) => number
}

export const portsFrom = (base: number): Ports => ({
  broker: (nodeId) => base + nodeId,
  controller: (nodeId) => base + 10 + nodeId,
  registry: base + 20,
  postgres: base + 21,
  influx: base + 22,
  proxied: (server) => base + 24 + STORES.indexOf(server),
  behindProxy: (nodeId) => base + 80 + nodeId,
  proxiedBroker: (nodeId) => base + 85 + nodeId,
  betweenBrokers: (nodeId) => base + 90 + nodeId,
  service: (kind, index) => base + 30 + 10 * EVENT_SERVICES.indexOf(kind) + index,
})

/** Where the servers are, directly or through proxies. */
export interface ServerUrls {
  readonly shape: RigShape
  readonly kafkaBrokers: readonly string[]
  readonly registry: string
  readonly database: string
  /** undefined: there is none in this rig. */
  readonly influx: string | undefined
}

/** How this rig's services and its own readers speak to Kafka. */
export const kafkaSettings = (urls: ServerUrls) => ({
  kafkaBrokers: urls.kafkaBrokers,
  kafkaSsl: false,
  kafkaMechanism: 'plain' as const,
  topicPrefix: '',
  topicPartitions: urls.shape.partitions,
  groupSessionMs: urls.shape.sessionMs,
  transactionTimeoutMs: TRANSACTION_MS,
})

/** Of servers that live as long as one run. */
export const INFLUX_PASSWORD = 'faults'
const INFLUX_TOKEN = influxToken(INFLUX_PASSWORD)

export const influxSettings = (url: string) => ({
  influxUrl: url,
  influxToken: INFLUX_TOKEN,
  influxOrg: 'default',
  influxBucket: 'cxone_metrics/autogen',
  influxTimeoutMs: 10_000,
  environment: 'faults',
})

/** The database comes before its retention policy in the bucket's name. */
export const oracleInflux = (url: string) => ({
  url,
  token: INFLUX_TOKEN,
  database: 'cxone_metrics',
  environment: 'faults',
})

/**
 * The environment of one instance: the production profile, on three brokers and with settings that make waits short.
 */
export const instanceEnvironment = (
  kind: ServiceName,
  index: number,
  { urls, ports, folders }: { readonly urls: ServerUrls; readonly ports: Ports; readonly folders: Folders },
): Readonly<Record<string, string | undefined>> => {
  const { shape } = urls
  const linger = String(shape.lingerMs)
  const port = String(ports.service(kind, index))
  const influx = urls.influx === undefined ? undefined : influxSettings(urls.influx)
  return {
    // The caller's own must not reach a service.
    FAILPOINT: undefined,
    WEIR_DEFECT: undefined,
    TOPIC_PREFIX: undefined,
    // Production refuses a single broker.
    WEIR_PROFILE: shape.brokers === 1 ? 'dev' : 'production',
    // The secrets of a run contain readable names, so they count as weak.
    ALLOW_WEAK_CREDENTIALS: 'true',
    LOG_LEVEL: 'info',
    // As in a container of half a gigabyte: what grows without bound ends, and is seen.
    NODE_OPTIONS: '--max-old-space-size=256',
    KAFKA_BROKERS: urls.kafkaBrokers.join(','),
    SCHEMA_REGISTRY_URL: urls.registry,
    DATABASE_URL: urls.database,
    INFLUX_URL: influx?.influxUrl,
    INFLUX_TOKEN: influx?.influxToken,
    INFLUX_BUCKET: influx?.influxBucket,
    METRIC_EXPORT_ENVIRONMENT: 'faults',
    TOPIC_PARTITIONS: String(shape.partitions),
    KAFKA_SESSION_TIMEOUT_MS: String(shape.sessionMs),
    KAFKA_TRANSACTION_TIMEOUT_MS: String(TRANSACTION_MS),
    STATS_WINDOW_SECS: '10',
    // With 200 ms five transactions a second and partition are enough to be hit, and leave two cores time for the rest:
    // brokers work for each of them, whatever is in it.
    INGRESS_LINGER_MS: '10',
    DEDUP_LINGER_MS: linger,
    NORMALIZER_LINGER_MS: linger,
    // So that the filters of 48 partitions fit.
    DEDUP_FILTER_CAPACITY: '100000',
    PERSISTENCE_LINGER_MS: linger,
    STATE_DIR: join(folders.state, `${kind}-${index}`),
    INGRESS_HOST: '127.0.0.1',
    INGRESS_REQUEST_BUDGET_MS: String(BUDGET_MS),
    SOURCE_CXONE_SECRETS: SECRETS.cxone,
    SOURCE_CXONE_DATAACTION_SECRETS: SECRETS.dataAction,
    SOURCE_NICE_SECRETS: SECRETS.nice,
    SOURCE_COGNIGY_CIDRS: '127.0.0.1,::1',
    BODY_HASH_KEY: `body-hash-${SECRET}`,
    // Hundreds of starts: what was compiled once is not compiled again.
    NODE_COMPILE_CACHE: join(folders.state, 'compile-cache'),
    [portVariable(kind)]: port,
  }
}

export const mainFile = (kind: ServiceName): string => join(ROOT, 'services', kind, 'src', 'main.ts')
