import { createPrivateKey, X509Certificate } from 'node:crypto'

interface KafkaTls {
  readonly kafkaSsl?: unknown
  readonly kafkaCa?: unknown
  readonly kafkaCert?: unknown
  readonly kafkaKey?: unknown
}

const matches = (cert: unknown, key: unknown): boolean =>
  new X509Certificate(cert as string).checkPrivateKey(createPrivateKey(key as string))

/** Contradictions between the settings of TLS to the brokers. */
export const kafkaTlsProblems = ({ kafkaSsl, kafkaCa, kafkaCert, kafkaKey }: KafkaTls): readonly string[] => {
  const given = Object.entries({ KAFKA_SSL_CA: kafkaCa, KAFKA_SSL_CERT: kafkaCert, KAFKA_SSL_KEY: kafkaKey })
    .filter(([, value]) => value !== undefined)
    .map(([name]) => name)
  if (given.length > 0 && kafkaSsl !== true)
    return [
      `${given.join(', ')} ${given.length === 1 ? 'is' : 'are'} set and KAFKA_SSL is false: set KAFKA_SSL=true.`,
    ]
  if ((kafkaCert === undefined) !== (kafkaKey === undefined))
    return ['only one of KAFKA_SSL_CERT and KAFKA_SSL_KEY is set: set both or neither.']
  if (kafkaCert !== undefined && !matches(kafkaCert, kafkaKey))
    return ['KAFKA_SSL_KEY does not match the first certificate of KAFKA_SSL_CERT: give a matching pair.']
  return []
}
