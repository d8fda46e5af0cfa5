import { setTimeout as sleep } from 'node:timers/promises'
import type { Admin } from 'kafkajs'
import { kafkaErrorType } from './kafka-client.ts'

const LEADERS_MS_MAX = 30_000
const LEADERS_LOOK_MS = 50
const SPREADING = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE'])

/** Waits until every partition has a leader. Some brokers learn of a new topic later than others. */
export const untilLed = async (admin: Admin, topics: readonly string[]): Promise<void> => {
  const deadline = performance.now() + LEADERS_MS_MAX
  for (;;) {
    try {
      const metadata = await admin.fetchTopicMetadata({ topics: [...topics] })
      const partitions = metadata.topics.flatMap((topic) => topic.partitions)
      if (partitions.every(({ leader }) => leader >= 0)) return
    } catch (error) {
      if (!SPREADING.has(kafkaErrorType(error))) throw error
    }
    if (performance.now() > deadline) {
      throw new Error(`no leaders after ${LEADERS_MS_MAX} ms for the topics ${topics.join(', ')}`)
    }
    await sleep(LEADERS_LOOK_MS)
  }
}
