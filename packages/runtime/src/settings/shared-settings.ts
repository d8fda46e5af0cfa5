import { portVariable, SERVICES, type ServiceName } from '@weir/contracts'
import type { Environment } from './config.ts'
import { RISK_SETTINGS } from './risks.ts'
import { setting, type ConfigOf, type Settings } from './setting.ts'

/** Settings that allow a refused risk. */
export const PROFILE_SETTINGS = {
  profile: {
    env: 'WEIR_PROFILE',
    schema: setting.oneOf(['production', 'dev'], 'production'),
    help: '`dev` allows replication factor 1, default secrets and every risk below; never use it for real events.',
  },
  ...RISK_SETTINGS,
} satisfies Settings

/** Settings of every service that uses Kafka. */
export const KAFKA_SETTINGS = {
  ...PROFILE_SETTINGS,
  kafkaBrokers: {
    env: 'KAFKA_BROKERS',
    schema: setting.list(),
    help: 'Give host:port, separated by commas.',
  },
  kafkaSsl: {
    env: 'KAFKA_SSL',
    schema: setting.flag(false),
    help: 'Give true to connect to the brokers with TLS.',
  },
  kafkaCa: {
    env: 'KAFKA_SSL_CA',
    schema: setting.certificates(),
    help: "Authorities that may have signed the brokers' certificates; without it those that Node knows. Mostly a file: KAFKA_SSL_CA_FILE.",
  },
  kafkaCert: {
    env: 'KAFKA_SSL_CERT',
    schema: setting.certificates(),
    help: 'Client certificate of this service for the brokers, followed by its intermediate certificates. Usually a file: KAFKA_SSL_CERT_FILE.',
  },
  kafkaKey: {
    env: 'KAFKA_SSL_KEY',
    schema: setting.privateKey(),
    help: 'Private key of the client certificate. Usually a file: KAFKA_SSL_KEY_FILE.',
  },
  kafkaUser: { env: 'KAFKA_SASL_USERNAME', schema: setting.optionalText(), help: 'User for SASL.' },
  kafkaPassword: {
    env: 'KAFKA_SASL_PASSWORD',
    schema: setting.optionalForeignSecret(),
    help: 'Password for SASL.',
  },
  kafkaMechanism: {
    env: 'KAFKA_SASL_MECHANISM',
    schema: setting.oneOf(['scram-sha-512', 'scram-sha-256', 'plain'], 'scram-sha-512'),
    help: 'SASL mechanism.',
  },
  topicPrefix: {
    env: 'TOPIC_PREFIX',
    schema: setting.text(''),
    help: 'Prefix of every topic, group and transactional id, so that deployments can share a cluster.',
  },
  topicPartitions: {
    env: 'TOPIC_PARTITIONS',
    schema: setting.integer(12, 1, 1000),
    help: 'Partitions of every co-partitioned topic; only `weir dedup repartition` changes it.',
  },
  groupSessionMs: {
    env: 'KAFKA_SESSION_TIMEOUT_MS',
    schema: setting.integer(10_000, 2_000, 300_000),
    help: 'A consumer that sends no heartbeat for this long loses its partitions.',
  },
  transactionTimeoutMs: {
    env: 'KAFKA_TRANSACTION_TIMEOUT_MS',
    schema: setting.integer(10_000, 2_000, 900_000, 1_000),
    help: 'The broker aborts a transaction that is open for longer.',
  },
} satisfies Settings

/** Settings of every service. */
export const SERVICE_SETTINGS = {
  logLevel: {
    env: 'LOG_LEVEL',
    schema: setting.oneOf(['info', 'debug', 'warn', 'error', 'silent', 'trace'], 'info'),
    help: 'Log level.',
  },
} satisfies Settings

/** Settings of every service that writes or reads dead letters. */
export const DEAD_LETTER_SETTINGS = {
  deadLetterKeys: {
    env: 'DLQ_KEYS',
    schema: setting.secretEntries(),
    help: 'Seals dead letters: id:key, separated by commas, each key 64 hex digits; the first seals, all open.',
  },
} satisfies Settings

/** Settings of every server of `/livez`, `/readyz` and `/metrics`. */
export const PROBE_SETTINGS = {
  probeHost: {
    env: 'PROBE_HOST',
    schema: setting.text('0.0.0.0'),
    help: 'Address to serve /livez, /readyz and /metrics on, when they have a port of their own.',
  },
  metricsToken: {
    env: 'METRICS_TOKEN',
    schema: setting.optionalToken(),
    help: 'Bearer token that /metrics requires; when it is unset, everyone who can reach the port may read the metrics.',
  },
} satisfies Settings

const port = (service: ServiceName, help: string) => ({
  env: portVariable(service),
  schema: setting.integer(SERVICES[service].port, 0, 65_535),
  help,
})

/** Port of a service's API, which answers `/livez`, `/readyz` and `/metrics` as well. Port 0 takes a free one. */
export const apiPort = (service: ServiceName) => port(service, 'Port to listen on.')

/** Where a service without an API answers `/livez`, `/readyz` and `/metrics`. Port 0 takes a free one. */
export const probeSettings = (service: ServiceName) =>
  ({
    probePort: port(service, 'Port of /livez, /readyz and /metrics.'),
    ...PROBE_SETTINGS,
  }) satisfies Settings

export type KafkaConfig = ConfigOf<typeof KAFKA_SETTINGS>
export type { Environment }
