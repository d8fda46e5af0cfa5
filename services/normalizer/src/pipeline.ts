import type { InputRecord } from '@weir/kafka'
import { readWebhook, startPipeline, type Pipeline } from '@weir/pipeline'
import { mapEvent, type MappedEvent } from './steps/map-event.ts'
import { parsePayload } from './steps/parse-payload.ts'

/** What normalizer does with one record: every payload of every source becomes one event schema. */
export const normalizerPipeline: Pipeline<InputRecord, MappedEvent> = startPipeline<InputRecord>()
  .step(readWebhook)
  .step(parsePayload)
  .step(mapEvent)
