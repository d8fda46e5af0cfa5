import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { encodeJsonRecord, INGRESS_ALIVE_MS, INGRESS_PREFIX, topicNames } from '@weir/contracts'
import { openCompactedMap, type KafkaLogger, type KafkaSettings } from '@weir/kafka'

/**
 * Announces every few seconds that this ingress runs and with which partition count, because `weir dedup repartition`
 * refuses to run while an ingress does. Resolves to a function that stops the announcements.
 */
export const announce = async (
  settings: KafkaSettings,
  logger: KafkaLogger,
): Promise<() => Promise<void>> => {
  const map = await openCompactedMap(settings, topicNames(settings.topicPrefix).settings, { logger })
  const key = INGRESS_PREFIX + randomUUID()
  const record = { host: hostname(), pid: process.pid, partitions: settings.topicPartitions }
  // Webhooks are accepted without it: a repartition also looks for incoming events.
  const write = (value: Buffer | null) =>
    map.write(key, value).catch((error: unknown) => {
      logger.debug({ error: String(error) }, 'this ingress could not be announced on the control topic')
    })
  void write(encodeJsonRecord(record))
  const timer = setInterval(() => void write(encodeJsonRecord(record)), INGRESS_ALIVE_MS)
  return async () => {
    clearInterval(timer)
    await write(null)
    await map.close()
  }
}
