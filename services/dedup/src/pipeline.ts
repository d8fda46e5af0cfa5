import type { InputRecord } from '@weir/kafka'
import { startPipeline, type Pipeline } from '@weir/runtime'
import type { StagedKeys } from '@weir/seen-keys'
import { divertMalformed } from './steps/divert-malformed.ts'
import { dropSeenIn, type DuplicateClass } from './steps/drop-seen.ts'
import { holdRepeatedContentIn } from './steps/hold-repeated-content.ts'
import { ownPartitionIn } from './steps/own-partition.ts'
import { readKeys, type KeyedWebhook } from './steps/read-keys.ts'

/**
 * The steps of dedup for one record of input partition `partition` of `partitions`. `seen` is the transaction's view
 * of the keys: the pipeline adds to it, and only a commit makes the additions last.
 */
export const dedupPipeline = (
  seen: StagedKeys,
  partition: number,
  partitions: number,
): Pipeline<InputRecord, KeyedWebhook, DuplicateClass> =>
  startPipeline<InputRecord>()
    .step(readKeys)
    .step(ownPartitionIn(seen, partition, partitions))
    .step(holdRepeatedContentIn(seen))
    .step(dropSeenIn(seen))
    .step(divertMalformed)
