import { deadLetter, ok, type Outcome } from '@weir/pipeline'
import type { CompiledMapping } from '../mappings/compile-mapping.ts'
import type { Mapper } from '../mappings/mapper.ts'
import type { Shape, ShapeCache } from '../shape.ts'
import type { ParsedWebhook } from './parse-payload.ts'

export interface RecognisedWebhook extends ParsedWebhook {
  readonly compiled: CompiledMapping
  readonly shape: Shape
}

/** Finds the payload's mapping and its shape. */
export const recognisePayloadBy = (mapper: Mapper, shapes: ShapeCache) =>
  function recognisePayload({ webhook, payload }: ParsedWebhook): Outcome<RecognisedWebhook> {
    const compiled = mapper.find(webhook.source, payload)
    if (compiled === undefined) return deadLetter('unmappable', 'no mapping of the source fits')
    return ok({ webhook, payload, compiled, shape: shapes.shapeOf(payload) })
  }
