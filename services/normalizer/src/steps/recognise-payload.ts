import { OPAQUE_SHAPE } from '@weir/contracts'
import { deadLetter, ok, type Outcome } from '@weir/runtime'
import type { CompiledMapping } from '../mappings/compile-mapping.ts'
import type { Mapper } from '../mappings/mapper.ts'
import type { Shape, ShapeCache } from '../schemas/shape.ts'
import type { ParsedWebhook } from './parse-payload.ts'

export interface RecognisedWebhook extends ParsedWebhook {
  readonly compiled: CompiledMapping
  readonly shape: Shape
}

const OPAQUE: Shape = { fingerprint: OPAQUE_SHAPE, paths: [], fields: [] }

/** Finds the mapping and the shape of the payload. */
export const createRecognisePayloadStep = (mapper: Mapper, shapes: ShapeCache) =>
  function recognisePayload(parsed: ParsedWebhook): Outcome<RecognisedWebhook> {
    const { webhook, payload, isOpaque } = parsed
    const compiled = mapper.find(webhook.source, payload)
    if (compiled === undefined) return deadLetter('unmappable', 'no mapping of the source fits')
    return ok({ ...parsed, compiled, shape: isOpaque ? OPAQUE : shapes.shapeOf(payload) })
  }
