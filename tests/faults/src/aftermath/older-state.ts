import { TOPIC_SPECS, topicNames } from '@weir/contracts'
import { ensureTopics, openLanes, openTopicReader, type InputRecord } from '@weir/kafka'
import { createLogger } from '@weir/runtime'
import { deleteTopicOf } from '../rig/cluster-state.ts'
import { kafkaSettings, type ServerUrls } from '../rig/layout.ts'
import type { AftermathRig } from './aftermath-rig.ts'
import { startAndRepair } from './parked.ts'

const EVENTS = 400
const QUIET_MS_MAX = 60_000
const topic = topicNames().seen
const logger = createLogger('faults', 'warn')

/**
 * An older copy of dedup's state is put back, as from a backup: it says that less was read than the group's offsets
 * say, and does not know the keys since. Whoever goes on from it lets their events pass again.
 */
export const olderState = async (rig: AftermathRig): Promise<readonly string[]> => {
  const { urls } = rig.servers
  const dedups = rig.instances.filter(({ kind, isWanted }) => isWanted && kind === 'dedup')
  const older = await copyOf(urls)
  await rig.send(EVENTS)
  const open = await rig.untilQuiet(QUIET_MS_MAX)
  if (open.length > 0) return open
  await Promise.all(dedups.map((instance) => instance.stop()))
  await deleteTopicOf(urls.kafkaBrokers, topic)
  await putBack(urls, older)
  return startAndRepair(rig, dedups)
}

/** What compaction would leave of it, in order. */
const copyOf = async (urls: ServerUrls): Promise<readonly InputRecord[]> => {
  const last = new Map<string, InputRecord>()
  const reader = await openTopicReader(kafkaSettings(urls), topic)
  try {
    await reader.readToEnd((records) => {
      for (const record of records) last.set(`${record.partition} ${record.key!.toString('latin1')}`, record)
    })
  } finally {
    await reader.close()
  }
  return [...last.values()]
    .filter(({ value }) => value !== null)
    .sort((one, other) => one.partition - other.partition || Number(one.offset - other.offset))
}

const putBack = async (urls: ServerUrls, records: readonly InputRecord[]): Promise<void> => {
  const { brokers } = urls.shape
  const settings = kafkaSettings(urls)
  await ensureTopics({
    settings,
    logger,
    specs: TOPIC_SPECS,
    replicationFactor: brokers,
    minInsyncReplicas: Math.max(1, brokers - 1),
  })
  const lanes = await openLanes({
    settings,
    topic,
    logger,
    lingerMs: 1,
    batchRecordsMax: 100,
    batchBytesMax: 900_000,
    queueBytesMax: 64_000_000,
    deadlineMs: 30_000,
  })
  await Promise.all(
    records.map(({ partition, key, value, headers }) =>
      lanes.send(partition, { key: key!, value: value!, headers }),
    ),
  )
  await lanes.close()
}
