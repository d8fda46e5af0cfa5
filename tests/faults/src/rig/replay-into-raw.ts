import { eventKeyOf, HEADER } from '@weir/contracts'
import { openLanes, openTopicReader, type InputRecord } from '@weir/kafka'
import { createLogger } from '@weir/runtime'
import { kafkaSettings, type ServerUrls } from './layout.ts'

/** What a replay must never do: received records again on the topic of received webhooks, with keys of their own. */
export const replayIntoRaw = async (
  urls: ServerUrls,
  topic: string,
  count: number,
  seed: number,
): Promise<void> => {
  const settings = kafkaSettings(urls)
  const reader = await openTopicReader(settings, topic)
  const records: InputRecord[] = []
  await reader.readToEnd((some) => void records.push(...some.slice(0, count - records.length)))
  await reader.close()
  const lanes = await openLanes({
    settings,
    topic,
    logger: createLogger('replay-into-raw', 'warn'),
    lingerMs: 1,
    batchRecordsMax: 100,
    batchBytesMax: 500_000,
    queueBytesMax: 10_000_000,
    deadlineMs: 30_000,
  })
  await Promise.all(
    records.map(({ partition, key, value, headers }) => {
      const dedupKey = `${headers[HEADER.dedupKey]!.toString()}#replayed-${seed}`
      const source = headers[HEADER.source]!.toString()
      const keyed = {
        ...headers,
        [HEADER.dedupKey]: Buffer.from(dedupKey),
        [HEADER.eventKey]: eventKeyOf(source, dedupKey),
      }
      return lanes.send(partition, { key: key!, value, headers: keyed })
    }),
  )
  await lanes.close()
}
