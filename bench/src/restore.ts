import { rmSync } from 'node:fs'
import { CPU_PROFILE, defineBench, profileArgs } from './bench.ts'
import { startDedupProcess, stateFolder, type DedupOptions } from './rig/dedup-process.ts'
import { fillState } from './rig/state.ts'
import { createTopics, deployment } from './rig/traffic.ts'

const PARTITIONS = 4

export const bench = defineBench({
  about:
    'The time that a dedup process needs from its start until it is ready, with its state in the topic only and with a checkpoint. A start before that lets the brokers create their internal topics.',
  options: { keys: { about: 'keys in the state', default: 10_000_000 }, ...CPU_PROFILE },
  run: async (values, rig) => {
    const keys = values.keys
    const brokers = await rig.kafka()
    const nodeArgs = profileArgs(values)

    const empty = deployment(brokers, `bench-${process.pid}-empty.`, PARTITIONS)
    await createTopics(empty)
    await timeStart({ settings: empty, folder: rig.folder })
    rmSync(stateFolder(rig.folder), { recursive: true })

    const settings = deployment(brokers, `bench-${process.pid}.`, PARTITIONS)
    await createTopics(settings)
    rig.progress(`writing a state of ${keys} keys`)
    await fillState(settings, keys)
    rig.progress('from the topic alone')
    const fromTopic = await timeStart({ settings, folder: rig.folder, nodeArgs })
    rig.progress(`${fromTopic.seconds.toFixed(1)} s; from the checkpoint`)
    const fromCheckpoint = await timeStart({ settings, folder: rig.folder })
    if (fromTopic.keys !== fromCheckpoint.keys) {
      throw new Error(`${fromTopic.keys} keys from the topic and ${fromCheckpoint.keys} from the checkpoint`)
    }
    return {
      keys: fromTopic.keys,
      from_checkpoint_s: fromCheckpoint.seconds,
      from_topic_s: fromTopic.seconds,
      rss_anon_from_topic_mb: fromTopic.rssAnonMb,
      rss_anon_from_checkpoint_mb: fromCheckpoint.rssAnonMb,
    }
  },
})

/** From the start of the process to its readiness; then stops it. */
const timeStart = async (
  options: DedupOptions,
): Promise<{ readonly seconds: number; readonly keys: number; readonly rssAnonMb: number }> => {
  const startedAt = performance.now()
  const dedup = await startDedupProcess(options)
  try {
    await dedup.until(() => dedup.isReady(), 50)
    const seconds = (performance.now() - startedAt) / 1_000
    return { seconds, keys: await dedup.metric('weir_dedup_keys'), rssAnonMb: dedup.usage().rssAnonMb }
  } finally {
    await dedup.stop()
  }
}
