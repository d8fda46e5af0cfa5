import { isUtf8 } from 'node:buffer'
import { sliceArray } from '@weir/exact-json'
import { valueAt, type RequestFacts, type SourceDefinition, type SplitRule } from '@weir/sources'
import { parseStrictJson, type Parsed } from './strict-json.ts'

export interface Element {
  /** Its exact bytes, without the surrounding white space. */
  readonly raw: Buffer
  readonly parsed: Parsed
}

export interface Elements {
  readonly kind: 'elements'
  readonly elements: readonly Element[]
  readonly around: RequestFacts['around']
}

type Problem = Extract<Parsed, { kind: 'problem' }>

export type Batch =
  | Elements
  /** The whole body is malformed, so it contains no event. */
  | { readonly kind: 'problem'; readonly problem: Problem }
  | { readonly kind: 'too_many' }

const OBJECT_OPEN = 0x7b
const EMPTY_ARRAY = Buffer.from('[]')

/** Undefined if a body of this type is one event. */
export const splitOf = (
  { split }: SourceDefinition,
  contentType: string | undefined,
): SplitRule | undefined => {
  const isOfType =
    split?.mediaType === undefined || contentType?.split(';', 1)[0]!.trim().toLowerCase() === split.mediaType
  return isOfType ? split : undefined
}

/**
 * The elements of a batch. Each element and the text around them follow the rules for bodies. Undefined if the body is
 * one event although a batch would itself be an array. A text that is not JSON has no elements, even if parts of it
 * look like elements.
 */
export const readBatch = ({ path, itemsMax }: SplitRule, raw: Buffer): Batch | undefined => {
  if (!isUtf8(raw)) return whole(raw, NOT_JSON)
  const found = sliceArray(raw, path, itemsMax)
  switch (found.kind) {
    case 'too_many':
      return found
    case 'not_json':
      return whole(raw, NOT_JSON)
    case 'no_array':
      if (path.length === 0 && raw[firstByte(raw)] === OBJECT_OPEN) return undefined
      return whole(raw, noArray(path, found.isMissing))
    case 'sliced':
      break
  }
  const [start, end] = found.array
  const envelope = parseStrictJson(Buffer.concat([raw.subarray(0, start), EMPTY_ARRAY, raw.subarray(end)]))
  if (envelope.kind === 'problem') return { kind: 'problem', problem: envelope }
  const elements = found.elements.map(([from, to]) => {
    const element = raw.subarray(from, to)
    return { raw: element, parsed: parseStrictJson(element) }
  })
  const isJson = elements.every(({ parsed }) => parsed.kind === 'parsed' || parsed.reason !== 'invalid_json')
  if (!isJson) return { kind: 'problem', problem: NOT_JSON }
  return { kind: 'elements', elements, around: (at) => valueAt(envelope.value, at) }
}

const NOT_JSON: Problem = { kind: 'problem', reason: 'invalid_json', detail: 'not JSON' }

/** Problems of the text itself come first. */
const whole = (raw: Buffer, problem: Problem): Batch => {
  const parsed = parseStrictJson(raw)
  return { kind: 'problem', problem: parsed.kind === 'problem' ? parsed : problem }
}

const noArray = (path: readonly string[], isMissing: boolean): Problem => {
  const name = path.length === 0 ? 'the body' : path.join('.')
  return isMissing
    ? { kind: 'problem', reason: 'missing_field', detail: `${name}, the array of the batch, is missing` }
    : { kind: 'problem', reason: 'wrong_type', detail: `${name} is not an array, but \`split\` names it` }
}

const firstByte = (raw: Buffer): number => {
  let at = 0
  while (raw[at] === 0x20 || raw[at] === 0x0a || raw[at] === 0x0d || raw[at] === 0x09) at += 1
  return at
}
