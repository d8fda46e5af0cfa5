import type { ReceivedWebhook } from '@weir/contracts'
import type { InputRecord } from '@weir/kafka'
import { readWebhook, startPipeline, type Pipeline } from '@weir/pipeline'
import type { StagedKeys } from '@weir/seen-keys'
import { divertMalformed } from './steps/divert-malformed.ts'
import { dropSeenIn } from './steps/drop-seen.ts'

/** What dedup does with one record. `seen` is the transaction's view of the keys: the pipeline adds to it, and only a commit makes that last. */
export const dedupPipeline = (seen: StagedKeys): Pipeline<InputRecord, ReceivedWebhook, 'duplicate'> =>
  startPipeline<InputRecord>().step(readWebhook).step(dropSeenIn(seen)).step(divertMalformed)
