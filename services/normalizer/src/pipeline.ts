import type { InputRecord } from '@weir/kafka'
import { readWebhook, startPipeline, type Pipeline } from '@weir/runtime'
import { compileRules } from './mappings/compile-rules.ts'
import type { MappingSet } from './mappings/load-mappings.ts'
import { Mapper } from './mappings/mapper.ts'
import { ShapeCache } from './schemas/shape.ts'
import { createCheckRulesStep, type IsApproved } from './steps/check-rules.ts'
import { createMapEventStep, type NormalizedWebhook } from './steps/map-event.ts'
import { createParsePayloadStep } from './steps/parse-payload.ts'
import { createRecognisePayloadStep } from './steps/recognise-payload.ts'

export type NormalizerPipeline = Pipeline<InputRecord, NormalizedWebhook>

/**
 * The steps of normalizer for one record: payloads of all sources become events with one schema. Compiles all mappings
 * and rules. Throws an `InvalidPartError` or an `InvalidSchemaError`.
 */
export const normalizerPipeline = (
  { mappings, rules }: MappingSet,
  isApproved: IsApproved,
): NormalizerPipeline => {
  const mapper = new Mapper(mappings)
  const compiled = compileRules(rules)
  return startPipeline<InputRecord>()
    .step(readWebhook)
    .step(createParsePayloadStep(compiled))
    .step(createRecognisePayloadStep(mapper, new ShapeCache()))
    .step(createCheckRulesStep(compiled, isApproved))
    .step(createMapEventStep(mapper, compiled))
}
