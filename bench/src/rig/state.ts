import { createHash, randomUUID } from 'node:crypto'
import { topicNames, type WireRecord } from '@weir/contracts'
import { openLanes, openMaintenance, type KafkaSettings } from '@weir/kafka'
import { chunkKeyOf, encodeChunk, encodeIdentity, encodePosition, ENTRY_BYTES } from '@weir/seen-keys'
import { quiet } from './traffic.ts'

const CHUNK_KEYS = 30_000
const BUCKETS = 24
const WINDOW_MS = 86_400_000

/** Writes the state that a deployment would have after `keys` events, spread over its window and its partitions. */
export const fillState = async (settings: KafkaSettings, keys: number): Promise<void> => {
  const { seen } = topicNames(settings.topicPrefix)
  const lanes = await openLanes({
    settings,
    logger: quiet,
    topic: seen,
    lingerMs: 0,
    deadlineMs: 120_000,
    batchRecordsMax: 1,
    batchBytesMax: 900_000,
    queueBytesMax: 64_000_000,
  })
  const now = Date.now()
  const lengthMs = Math.ceil(WINDOW_MS / BUCKETS)
  const each = Math.ceil(keys / settings.topicPartitions / BUCKETS)
  const send = async (
    partition: number,
    { key, value }: Pick<WireRecord, 'key' | 'value'>,
  ): Promise<void> => {
    const sent = lanes.send(partition, { key, value, headers: {} })
    if (lanes.queued.bytes > 16_000_000) await sent
    else sent.catch(() => undefined)
  }
  for (let partition = 0; partition < settings.topicPartitions; partition++) {
    await send(partition, encodeIdentity(randomUUID()))
    for (let age = BUCKETS - 1; age >= 0; age--) {
      const bucket = { start: Math.floor(now / lengthMs - age) * lengthMs, lengthMs }
      for (let from = 0; from < each; from += CHUNK_KEYS) {
        const chunkKey = chunkKeyOf(bucket, `bench@${age}+${from}`)
        await send(
          partition,
          encodeChunk(chunkKey, keysOf(`${partition}/${age}/${from}`, Math.min(CHUNK_KEYS, each - from))),
        )
      }
    }
  }
  await lanes.close()
  await commitPositions(settings, now)
}

/** Position and committed offset are one transaction, as dedup writes them: it parks a partition that has only one. */
const commitPositions = async (settings: KafkaSettings, effectiveTime: number): Promise<void> => {
  const { seen, received } = topicNames(settings.topicPrefix)
  const maintenance = await openMaintenance({
    settings,
    service: 'dedup',
    changelogTopic: seen,
    outputs: [seen],
  })
  const next = { [received]: 0n }
  for (let partition = 0; partition < settings.topicPartitions; partition++) {
    const claim = await maintenance.claim(partition)
    const { key, value } = encodePosition({ next, effectiveTime, rotations: 0 })
    await claim.commit([{ topic: seen, partition, key, value, headers: {} }], next)
    await claim.close()
  }
  await maintenance.close()
}

/**
 * Keys with body hashes, 24 bytes each. One hash gives two; hashing each alone would take longer than what is measured.
 */
const keysOf = (seed: string, count: number): Buffer => {
  const entries = Buffer.alloc(count * ENTRY_BYTES)
  for (let i = 0; i * 2 < count; i++) {
    const bytes = createHash('sha512').update(`${seed}/${i}`).digest()
    bytes.copy(entries, i * 2 * ENTRY_BYTES, 0, 2 * ENTRY_BYTES)
  }
  return entries
}
