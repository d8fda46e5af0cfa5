/** How to reach the cluster. The configuration of every service has these fields. */
export interface KafkaSettings {
  readonly kafkaBrokers: readonly string[]
  readonly kafkaSsl: boolean
  /** PEM certificates of the authorities that sign the brokers' certificates; undefined: Node's defaults. */
  readonly kafkaCa?: string | undefined
  /** PEM certificate and private key of this client. */
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

/** The logger methods that this package calls. A pino logger has them. */
export interface KafkaLogger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
