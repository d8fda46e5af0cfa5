/** How to reach the cluster. Structurally equal to what the services' configurations carry. */
export interface KafkaSettings {
  readonly kafkaBrokers: readonly string[]
  readonly kafkaSsl: boolean
  /** PEM of the authorities that may sign the brokers' certificates; undefined: those that Node knows. */
  readonly kafkaCa?: string | undefined
  /** PEM of the client's own certificate and its key. */
  readonly kafkaCert?: string | undefined
  readonly kafkaKey?: string | undefined
  readonly kafkaUser?: string | undefined
  readonly kafkaPassword?: string | undefined
  readonly kafkaMechanism: 'scram-sha-512' | 'scram-sha-256' | 'plain'
  readonly topicPrefix: string
  readonly topicPartitions: number
  readonly groupSessionMs: number
  readonly transactionTimeoutMs: number
}

/** The part of a logger that this package uses; pino's fits. */
export interface KafkaLogger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
