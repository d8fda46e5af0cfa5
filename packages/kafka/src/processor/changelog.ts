import type { ClusterReads } from '../read/cluster-reads.ts'
import { OffsetOutOfRangeError } from '../client/errors.ts'
import type { ChangelogPartition } from './task.ts'
import { readPartition } from '../read/read-partition.ts'
import { BARRIER_KEY } from '../transactions/transactional-producer.ts'
import type { InputRecord } from '../protocol/record.ts'

const isBarrier = ({ key }: InputRecord): boolean => key?.equals(BARRIER_KEY) ?? false

/** `barrierOffset` is the offset of a barrier whose transaction has committed. */
export const openChangelog = async (options: {
  readonly reads: ClusterReads
  readonly topic: string
  readonly partition: number
  readonly barrierOffset: bigint
  readonly signal: AbortSignal
}): Promise<ChangelogPartition> => {
  const { reads, topic, partition, barrierOffset, signal } = options
  const { start: logStartOffset } = await reads.logRange(topic, partition)
  const topicId = await reads.topicId(topic)
  const end = barrierOffset + 1n
  return {
    topic,
    topicId,
    logStartOffset,
    barrierOffset,
    first: async (from) => {
      let found: InputRecord | undefined
      const range = { topic, partition, from: from < logStartOffset ? logStartOffset : from, end }
      const take = (records: readonly InputRecord[]) => {
        found = records.find((record) => record.offset < barrierOffset && !isBarrier(record))
        return found !== undefined
      }
      await readPartition(reads, range, take, signal)
      return found
    },
    read: async (from, onRecords) => {
      if (from < logStartOffset || from > barrierOffset) {
        throw new OffsetOutOfRangeError(
          `${topic}/${partition}: offset ${from} is not between the log's start ${logStartOffset} and the barrier ${barrierOffset}`,
        )
      }
      const pass = async (records: readonly InputRecord[], nextOffset: bigint) => {
        const wanted = records.filter((record) => record.offset < barrierOffset && !isBarrier(record))
        if (wanted.length > 0) await onRecords(wanted, nextOffset < end ? nextOffset : end)
        return undefined
      }
      await readPartition(reads, { topic, partition, from, end }, pass, signal)
    },
  }
}
