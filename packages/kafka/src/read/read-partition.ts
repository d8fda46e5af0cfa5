import { OffsetOutOfRangeError, RetriableError } from '../client/errors.ts'
import type { ClusterReads } from './cluster-reads.ts'
import { protocolErrorType } from '../client/kafkajs-internals.ts'
import type { InputRecord } from '../protocol/record.ts'

/** Longer than any transaction stays open. After this time a missing marker is a fault of the cluster. */
const STALL_MS_MAX = 90_000
const OFFSET_OUT_OF_RANGE = 1

/**
 * Reads one partition from `from` to `end` and calls `onRecords` with the readable records, until it returns true.
 * Waits for open transactions before `end`. Returns the offset after the last fetch. Rejects with a `RetriableError`
 * when the cluster does not respond and with a `StateError` for unreadable data.
 */
export const readPartition = async (
  reads: ClusterReads,
  range: { readonly topic: string; readonly partition: number; readonly from: bigint; readonly end: bigint },
  onRecords: (
    records: readonly InputRecord[],
    nextOffset: bigint,
  ) => undefined | boolean | Promise<undefined | boolean>,
  signal?: AbortSignal,
): Promise<bigint> => {
  const { topic, partition, end } = range
  let offset = range.from
  let progressAt = reads.clock.now()
  while (offset < end) {
    signal?.throwIfAborted()
    const fetched = await reads.fetch(topic, partition, offset)
    if (fetched.errorCode === OFFSET_OUT_OF_RANGE) {
      throw new OffsetOutOfRangeError(`${topic}/${partition}: the log does not have offset ${offset}`)
    }
    if (fetched.errorCode !== 0) {
      await reads.refresh()
      throw new RetriableError(`reading ${topic}/${partition}: ${protocolErrorType(fetched.errorCode)}`)
    }
    if (fetched.nextOffset > offset) progressAt = reads.clock.now()
    else if (reads.clock.now() - progressAt > STALL_MS_MAX) {
      throw new RetriableError(
        `${topic}/${partition}: no progress at offset ${offset}, because a transaction stays open`,
      )
    }
    offset = fetched.nextOffset
    const done = fetched.records.length > 0 && (await onRecords(fetched.records, offset))
    if (done === true) return offset
  }
  return offset
}
