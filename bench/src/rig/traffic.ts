import {
  bodyHashOf,
  encodeReceivedWebhook,
  entityKeyOf,
  eventKeyOf,
  joinDedupKey,
  type TopicNames,
  type WireRecord,
} from '@weir/contracts'
import { ensureTopics, openLanes, partitionOf, type KafkaLogger, type KafkaSettings } from '@weir/kafka'
import { TOPIC_SPECS } from '@weir/contracts'

export const quiet: KafkaLogger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
}

const HASH_KEY = Buffer.from('bench')
const SOURCE = 'cxone'
/** Events of one interaction. */
const EVENTS_EACH = 4

/** Event number `n` of a run as ingress would write it: the same number gives the same record. */
export const webhook = (n: number, bodyBytes: number, receivedAt = Date.now()): WireRecord => {
  const interactionId = `0b9f6f2e-5d0e-4c0e-9a56-${String(Math.floor(n / EVENTS_EACH)).padStart(12, '0')}`
  const sequence = (n % EVENTS_EACH) + 1
  const head = `{"interactionId":"${interactionId}","eventType":"CALL_CONNECTED","sequenceNumber":${sequence},"skill":"`
  const raw = Buffer.from(`${head}${'x'.repeat(Math.max(0, bodyBytes - head.length - 2))}"}`)
  const dedupKey = joinDedupKey([interactionId, 'CALL_CONNECTED', String(sequence)])
  return encodeReceivedWebhook({
    source: SOURCE,
    entityKey: entityKeyOf(SOURCE, interactionId),
    interactionId,
    eventKey: eventKeyOf(SOURCE, dedupKey),
    dedupKey,
    bodyHash: bodyHashOf(HASH_KEY, raw),
    eventType: 'CALL_CONNECTED',
    receivedAt,
    providerSequence: BigInt(sequence),
    contentType: 'application/json',
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    raw,
  })
}

/** Settings of a deployment of its own on the given brokers. */
export const deployment = (
  brokers: readonly string[],
  prefix: string,
  partitions: number,
): KafkaSettings => ({
  kafkaBrokers: brokers,
  kafkaSsl: false,
  kafkaMechanism: 'plain',
  topicPrefix: prefix,
  topicPartitions: partitions,
  groupSessionMs: 10_000,
  transactionTimeoutMs: 10_000,
})

export const createTopics = (settings: KafkaSettings): Promise<void> =>
  ensureTopics({ settings, logger: quiet, specs: TOPIC_SPECS, replicationFactor: 1, minInsyncReplicas: 1 })

/**
 * Writes `count` records, of which `duplicates` (a fraction) repeat an earlier one: half of them one of the last
 * hundred, half any. Returns how many different events they hold.
 */
export const prefill = async (
  settings: KafkaSettings,
  topics: TopicNames,
  options: { readonly count: number; readonly duplicates: number; readonly bodyBytes: number },
): Promise<number> => {
  const { count, duplicates, bodyBytes } = options
  const lanes = await openLanes({
    settings,
    logger: quiet,
    topic: topics.received,
    lingerMs: 2,
    deadlineMs: 120_000,
    batchRecordsMax: 1_000,
    batchBytesMax: 700_000,
    queueBytesMax: 64_000_000,
  })
  const random = randomFrom(7)
  let next = 0
  let failed: unknown
  for (let i = 0; i < count; i++) {
    let n = next
    if (next > 0 && random() < duplicates) {
      const reach = random() < 0.5 ? Math.min(100, next) : next
      n = next - 1 - Math.floor(random() * reach)
    } else {
      next += 1
    }
    const record = webhook(n, bodyBytes)
    const sent = lanes.send(partitionOf(record.key, settings.topicPartitions), record)
    sent.catch((error: unknown) => (failed ??= error))
    if (lanes.queued.bytes > 32_000_000) await sent
  }
  await lanes.close()
  if (failed !== undefined) throw failed as Error
  return next
}

/** Numbers in [0, 1), the same ones for the same seed. */
const randomFrom = (seed: number) => {
  let state = seed
  return (): number => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
