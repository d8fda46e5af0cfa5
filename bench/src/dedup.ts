import { topicNames } from '@weir/contracts'
import { openLanes, openTopicReader, type KafkaSettings } from '@weir/kafka'
import { CPU_PROFILE, defineBench, profileArgs } from './bench.ts'
import { startDedupProcess, type DedupProcess } from './rig/dedup-process.ts'
import { fillState } from './rig/state.ts'
import { createTopics, deployment, prefill, quiet } from './rig/traffic.ts'

const PARTITIONS = 4
const DUPLICATES = 0.2
const BODY_BYTES = 600

export const bench = defineBench({
  about:
    'One dedup process over a prefilled backlog, compared with the same stream through Kafka without dedup: consumed and produced again with acks=all by the same client.',
  options: {
    events: { about: 'events in the backlog', default: 400_000 },
    keys: { about: 'keys that dedup holds before the run', default: 0 },
    ...CPU_PROFILE,
  },
  run: async (values, rig) => {
    const events = values.events
    const settings = deployment(await rig.kafka(), `bench-${process.pid}.`, PARTITIONS)
    const topics = topicNames(settings.topicPrefix)
    await createTopics(settings)
    rig.progress(`writing ${events} events`)
    const unique = await prefill(settings, topics, {
      count: events,
      duplicates: DUPLICATES,
      bodyBytes: BODY_BYTES,
    })
    const reference = await referenceRate(settings, topics.received, topics.normalized, events)
    rig.progress(`without dedup: ${Math.round(reference)} events/s`)
    if (values.keys > 0) {
      rig.progress(`writing a state of ${values.keys} keys`)
      await fillState(settings, values.keys)
    }
    const dedup = await startDedupProcess({ settings, folder: rig.folder, nodeArgs: profileArgs(values) })
    try {
      const measured = await measure(dedup, events)
      const decided = await dedup.metric('weir_dedup_events_total')
      const lookups = await dedup.metric('weir_dedup_lookups')
      const falsePositives = await dedup.metric('weir_dedup_false_positives')
      const { rssMb, rssAnonMb } = dedup.usage()
      const written = await count(settings, topics.unique)
      if (written !== unique) throw new Error(`${written} events came through, not ${unique}`)
      return {
        events_per_s: measured.rate,
        reference_per_s: reference,
        ratio_reference: measured.rate / reference,
        rss_mb: rssMb,
        rss_anon_mb: rssAnonMb,
        false_positive_rate: lookups === 0 ? 0 : falsePositives / lookups,
        cpu_us_per_event: measured.cpuUs,
        events: decided,
        keys_before: values.keys,
      }
    } finally {
      await dedup.stop()
    }
  },
})

/** From the first commit to the last. */
const measure = async (
  dedup: DedupProcess,
  events: number,
): Promise<{ readonly rate: number; readonly cpuUs: number }> => {
  const decided = () => dedup.metric('weir_dedup_events_total')
  await dedup.until(async () => (await decided()) > 0, 20)
  const from = { at: performance.now(), events: await decided(), cpuS: dedup.usage().cpuS }
  await dedup.until(async () => (await decided()) >= events, 50)
  const seconds = (performance.now() - from.at) / 1_000
  const counted = events - from.events
  return { rate: counted / seconds, cpuUs: ((dedup.usage().cpuS - from.cpuS) / counted) * 1e6 }
}

/** Each partition read by a reader and written by a lane of its own, with no transaction. */
const referenceRate = async (
  settings: KafkaSettings,
  from: string,
  to: string,
  events: number,
): Promise<number> => {
  const lanes = await openLanes({
    settings,
    logger: quiet,
    topic: to,
    lingerMs: 0,
    deadlineMs: 120_000,
    batchRecordsMax: 1_000,
    batchBytesMax: 700_000,
    queueBytesMax: 256_000_000,
  })
  const startedAt = performance.now()
  const copy = async (partition: number): Promise<void> => {
    const reader = await openTopicReader(settings, from)
    const ranges = await reader.offsets()
    const others = [...ranges].map(([p, { start, end }]) => [p, p === partition ? start : end] as const)
    let flying: Promise<unknown> = Promise.resolve()
    await reader.readToEnd(async (records) => {
      await flying
      flying = Promise.all(
        records.map(({ key, value, headers }) => lanes.send(partition, { key: key!, value, headers })),
      )
    }, new Map(others))
    await flying
    await reader.close()
  }
  await Promise.all(Array.from({ length: settings.topicPartitions }, (_, partition) => copy(partition)))
  const rate = events / ((performance.now() - startedAt) / 1_000)
  await lanes.close()
  return rate
}

const count = async (settings: KafkaSettings, topic: string): Promise<number> => {
  const reader = await openTopicReader(settings, topic)
  let records = 0
  await reader.readToEnd((batch) => {
    records += batch.length
  })
  await reader.close()
  return records
}
