import type { InputRecord } from '@weir/kafka'
import { readWebhook, startPipeline, type Pipeline } from '@weir/runtime'
import { compileRules } from './mappings/compile-rules.ts'
import type { MappingSet } from './mappings/load-mappings.ts'
import { Mapper } from './mappings/mapper.ts'
import { ShapeCache } from './schemas/shape.ts'
import { checkRulesOf, type IsApproved } from './steps/check-rules.ts'
import { mapEventBy, type NormalizedWebhook } from './steps/map-event.ts'
import { parsePayloadBy } from './steps/parse-payload.ts'
import { recognisePayloadBy } from './steps/recognise-payload.ts'

export type NormalizerPipeline = Pipeline<InputRecord, NormalizedWebhook>

/**
 * What normalizer does with one record: every payload of every source becomes one event schema.
 * Compiles all mappings and rules. Throws an `InvalidPartError` or an `InvalidSchemaError`.
 */
export const normalizerPipeline = (
  { mappings, rules }: MappingSet,
  isApproved: IsApproved,
): NormalizerPipeline => {
  const mapper = new Mapper(mappings)
  const compiled = compileRules(rules)
  return startPipeline<InputRecord>()
    .step(readWebhook)
    .step(parsePayloadBy(compiled))
    .step(recognisePayloadBy(mapper, new ShapeCache()))
    .step(checkRulesOf(compiled, isApproved))
    .step(mapEventBy(mapper, compiled))
}
