import { writeFileSync } from 'node:fs'
import { PATH, SECRET } from './requests.ts'

/**
 * Redpanda Connect as a receiver that verifies, batches as long as Weir lingers, and answers when all replicas have it.
 */
export const writePeerConfig = (options: {
  readonly file: string
  readonly port: number
  readonly brokers: readonly string[]
  readonly topic: string
}): void => {
  const { file, port, brokers, topic } = options
  writeFileSync(
    file,
    `http: { enabled: false }
logger: { level: ERROR }
input:
  http_server:
    address: 127.0.0.1:${port}
    path: ${PATH}
    timeout: 8s
pipeline:
  processors:
    - mapping: |
        let due = content().hash("hmac_sha256", "${SECRET}").encode("hex")
        let given = @."X-Cxone-Signature" | ""
        meta key = this.interactionId
        root = if $given == $due { content() } else { throw("wrong signature") }
output:
  kafka_franz:
    seed_brokers: [${brokers.join(', ')}]
    topic: ${topic}
    key: \${! @key }
    partitioner: murmur2_hash
    idempotent_write: false
    max_in_flight: 1024
    batching: { count: 1000, period: 3ms }
`,
  )
}
