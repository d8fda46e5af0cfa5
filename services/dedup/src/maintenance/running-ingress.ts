import { setTimeout as sleep } from 'node:timers/promises'
import { decodeRunningIngress, INGRESS_ALIVE_MS, INGRESS_PREFIX, topicNames } from '@weir/contracts'
import { openCompactedMap, StateError, type CompactedMap, type KafkaSettings } from '@weir/kafka'

/**
 * Rejects with a `StateError` while an ingress runs, even one that receives no events, because it would continue with
 * the partition count of its start. A killed ingress leaves its record behind, so a record alone proves nothing: this
 * waits for the next one.
 */
export const requireNoIngress = async (settings: KafkaSettings): Promise<void> => {
  const map = await openCompactedMap(settings, topicNames(settings.topicPrefix).settings)
  try {
    const before = await countsOf(map)
    if (before.size === 0) return
    await sleep(2 * INGRESS_ALIVE_MS)
    const after = await countsOf(map)
    const running = [...after].filter(([key, { writes }]) => writes > (before.get(key)?.writes ?? 0))
    if (running.length > 0) {
      const names = running.map(([, { name }]) => name).join(', ')
      throw new StateError(`an ingress runs: ${names}. Stop every ingress first.`)
    }
    // Records of ingresses that were killed.
    for (const key of after.keys()) await map.write(key, null)
  } finally {
    await map.close()
  }
}

/** For each record key, how often that ingress has written since its start, and a name for it. */
const countsOf = async (map: CompactedMap) => {
  const counts = new Map<string, { readonly writes: number; readonly name: string }>()
  for (const [key, values] of await map.read()) {
    const found = key.startsWith(INGRESS_PREFIX) ? decodeRunningIngress(values.at(-1)!) : undefined
    if (found === undefined) continue
    const name = `process ${found.pid} on ${found.host} with TOPIC_PARTITIONS=${found.partitions}`
    counts.set(key, { writes: values.length, name })
  }
  return counts
}
