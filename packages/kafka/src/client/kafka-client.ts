import type { ConnectionOptions } from 'node:tls'
import kafkajs, { type Kafka, type RetryOptions, type SASLOptions } from 'kafkajs'
import { boundedSockets } from './bounded-sockets.ts'
import { createCluster, type Cluster } from './kafkajs-internals.ts'
import { logCreatorFor } from './kafkajs-log.ts'
import type { KafkaLogger, KafkaSettings } from './settings.ts'

export interface ClientOptions {
  readonly settings: KafkaSettings
  readonly logger: KafkaLogger
  /** Shown in the brokers' logs and metrics. */
  readonly clientId: string
  readonly requestTimeoutMs?: number
  readonly retry?: RetryOptions
}

const CONNECTION_TIMEOUT_MS = 3_000
const REQUEST_TIMEOUT_MS = 10_000
const METADATA_AGE_MS_MAX = 60_000

/** Sets every field, because kafkajs has other defaults when NODE_ENV is `test`. */
const RETRY: Required<Omit<RetryOptions, 'restartOnFailure'>> = {
  initialRetryTime: 50,
  maxRetryTime: 1_000,
  factor: 0.2,
  multiplier: 2,
  retries: 5,
}

const saslOf = (settings: KafkaSettings): SASLOptions | undefined =>
  settings.kafkaUser === undefined
    ? undefined
    : {
        mechanism: settings.kafkaMechanism,
        username: settings.kafkaUser,
        password: settings.kafkaPassword ?? '',
      }

const sslOf = ({ kafkaSsl, kafkaCa, kafkaCert, kafkaKey }: KafkaSettings): ConnectionOptions | false =>
  kafkaSsl && {
    ...(kafkaCa !== undefined && { ca: kafkaCa }),
    ...(kafkaCert !== undefined && { cert: kafkaCert, key: kafkaKey }),
  }

/** Returns the next broker at each call. Without it kafkajs always tries the first broker of the list first. */
const inTurn = (brokers: readonly string[]): (() => string[]) => {
  let turn = 0
  return () => [brokers[turn++ % brokers.length]!]
}

export const kafkaClient = ({
  settings,
  logger,
  clientId,
  requestTimeoutMs,
  retry,
}: ClientOptions): Kafka => {
  const sasl = saslOf(settings)
  return new kafkajs.Kafka({
    brokers: inTurn(settings.kafkaBrokers),
    socketFactory: boundedSockets(),
    ssl: sslOf(settings),
    ...(sasl && { sasl }),
    clientId,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    requestTimeout: requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
    retry: { ...RETRY, ...retry },
    logLevel: kafkajs.logLevel.WARN,
    logCreator: logCreatorFor(logger),
  })
}

/** Connections that no other client shares: requests on one connection wait for each other. */
export const kafkaCluster = (options: ClientOptions): Cluster => {
  const { settings, clientId, requestTimeoutMs, retry } = options
  return createCluster({
    logger: kafkaClient(options).logger(),
    brokers: inTurn(settings.kafkaBrokers),
    ssl: sslOf(settings),
    sasl: saslOf(settings),
    clientId,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    requestTimeout: requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
    metadataMaxAge: METADATA_AGE_MS_MAX,
    retry: { ...RETRY, ...retry },
    allowAutoTopicCreation: false,
  })
}

/**
 * The Kafka protocol's name of an error from kafkajs, also when the error is wrapped. Otherwise the system error code,
 * or the name of the innermost error class.
 */
export const kafkaErrorType = (error: unknown): string => {
  let current: unknown = error
  let name = 'unknown'
  while (current instanceof Error) {
    const { type, code, cause } = current as Error & { type?: string; code?: unknown }
    if (type !== undefined) return type
    name = typeof code === 'string' ? code : current.name
    current = cause
  }
  return name
}

/** True when a broker rejected the request. Otherwise it is unknown whether the request had an effect. */
export const isBrokerError = (error: unknown): boolean => {
  for (let current = error; current instanceof Error; current = current.cause) {
    if ((current as Error & { type?: string }).type !== undefined) return true
  }
  return false
}
