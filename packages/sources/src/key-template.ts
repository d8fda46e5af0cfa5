import { joinDedupKey } from '@weir/contracts'
import { ID_BYTES_MAX, idOf, noHeader, noId, valueAt } from './fields.ts'
import { batchFact, headerFact } from './key-facts.ts'
import type { Identified, JsonValue, RequestFacts } from './source.ts'

/** A key template is invalid. The message says what to write instead. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError'
}

type Alternative =
  | { readonly kind: 'path'; readonly name: string; readonly path: readonly string[] }
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'batch'; readonly name: string; readonly path: readonly string[] }
  | { readonly kind: 'body-hash'; readonly name: string }
  | { readonly kind: 'text'; readonly name: string }

type Part =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'field'; readonly alternatives: readonly Alternative[] }

/**
 * A text with fields in braces: `{data.id}` of the body (array indexes are numbers), `{header:webhook-id}`,
 * `{body-hash}`. For an element of a batch, `{batch:object}` is a field of the body outside its elements.
 * `{a|b|'text'}` is the first alternative that is present.
 */
export type KeyTemplate = readonly Part[]

export interface Filled {
  readonly text: string
  /** The first field that was missing, so that an alternative replaced it. */
  readonly fallback?: string | undefined
}

const FIELD = /\{([^{}]*)\}/g
const HEADER = /^header:([a-z0-9-]+)$/
const BATCH = /^batch:/
const PATH = /^(?:\$\.)?[^.|'{}\s:]+(?:\.[^.|'{}\s:]+)*$/

/** Throws a `TemplateError`. */
export const parseTemplate = (text: string): KeyTemplate => {
  const parts: Part[] = []
  let from = 0
  for (const match of text.matchAll(FIELD)) {
    if (match.index > from) parts.push({ kind: 'literal', text: text.slice(from, match.index) })
    parts.push({ kind: 'field', alternatives: match[1]!.split('|').map(parseAlternative) })
    from = match.index + match[0].length
  }
  if (from < text.length) parts.push({ kind: 'literal', text: text.slice(from) })
  if (parts.length === 0) throw new TemplateError('the template is empty')
  if (parts.some((part) => part.kind === 'literal' && /[{}]/.test(part.text))) {
    throw new TemplateError('unclosed brace: write a name such as {call.id}')
  }
  return parts
}

/** Like `parseTemplate`, for keys whose parts must stay distinguishable: only `:` separates parts. */
export const parseKeyTemplate = (text: string): KeyTemplate => {
  const parts = splitAtColons(text).map(parseTemplate)
  if (parts.some((part) => part.length !== 1)) {
    throw new TemplateError('separate the fields and texts of a dedup key with `:`, as in `{id}:{type}`')
  }
  if (!parts.flat().some((part) => part.kind === 'field')) {
    throw new TemplateError('a dedup key needs at least one field, as in `{id}`')
  }
  return parts.flat()
}

/** Splits at colons outside braces, because a field may name a header. */
const splitAtColons = (text: string): string[] => text.split(/:(?![^{]*\})/)

const parseAlternative = (text: string): Alternative => {
  const header = HEADER.exec(text.toLowerCase())?.[1]
  if (header !== undefined) return { kind: 'header', name: header }
  if (text === 'body-hash') return { kind: 'body-hash', name: text }
  if (/^'[^']+'$/.test(text)) return { kind: 'text', name: text.slice(1, -1) }
  const path = text.replace(BATCH, '')
  if (!PATH.test(path)) {
    throw new TemplateError(
      `{${text}} is not a field: write a path such as {data.id}, {header:webhook-id}, {body-hash}, or a text such as {'text'}`,
    )
  }
  const names = path.replace(/^\$\./, '').split('.')
  return { kind: path === text ? 'path' : 'batch', name: text, path: names }
}

const read = (alternative: Alternative, payload: JsonValue, facts: RequestFacts): string | undefined => {
  switch (alternative.kind) {
    case 'path':
      return idOf(valueAt(payload, alternative.path))
    case 'header':
      return idOf(facts.header(alternative.name))
    case 'batch':
      return idOf(facts.around?.(alternative.path))
    case 'body-hash':
      return facts.bodyHash()
    case 'text':
      return alternative.name
  }
}

const fillField = (
  alternatives: readonly Alternative[],
  payload: JsonValue,
  facts: RequestFacts,
): Filled | undefined => {
  for (const [index, alternative] of alternatives.entries()) {
    const text = read(alternative, payload, facts)
    if (text !== undefined) return { text, fallback: index === 0 ? undefined : alternatives[0]!.name }
  }
  return undefined
}

/** The whole text. Undefined if a field has none of its alternatives, or if the text is too long. */
export const fillTemplate = (
  template: KeyTemplate,
  payload: JsonValue,
  facts: RequestFacts,
): string | undefined => {
  let whole = ''
  for (const part of template) {
    const text = part.kind === 'literal' ? part.text : fillField(part.alternatives, payload, facts)?.text
    if (text === undefined) return undefined
    whole += text
  }
  return idOf(whole)
}

/** A dedup key with all of its parts: the body hash replaces a missing part, and the result says so. */
export const fillKeyTemplate = (template: KeyTemplate, payload: JsonValue, facts: RequestFacts): Filled => {
  let fallback: string | undefined
  const parts = template.map((part) => {
    if (part.kind === 'literal') return part.text
    const filled = fillField(part.alternatives, payload, facts) ?? {
      text: facts.bodyHash(),
      fallback: part.alternatives[0]!.name,
    }
    fallback ??= filled.fallback
    return filled.text
  })
  return { text: joinDedupKey(parts), fallback }
}

/** Tells whether a template uses fields outside the elements of a batch. */
export const usesBatch = (template: KeyTemplate): boolean =>
  template.some(
    (part) => part.kind === 'field' && part.alternatives.some((alternative) => alternative.kind === 'batch'),
  )

/** The names of what it uses besides the body. See `KeyFacts`. */
export const factsOf = (template: KeyTemplate): readonly string[] =>
  template
    .flatMap((part) => (part.kind === 'field' ? part.alternatives : []))
    .flatMap((one) => {
      if (one.kind === 'header') return [headerFact(one.name)]
      return one.kind === 'batch' ? [batchFact(one.path)] : []
    })

/**
 * Explains why a template gives no text: the first missing field, by the alternative that comes closest to being
 * present. If several are equally close, the last one counts, because every payload of that kind should have it.
 */
export const templateProblem = (
  template: KeyTemplate,
  payload: JsonValue,
  facts: RequestFacts,
): Identified => {
  const fields = template.filter((part) => part.kind === 'field')
  for (const { alternatives } of fields) {
    if (fillField(alternatives, payload, facts) !== undefined) continue
    const problems = alternatives.map((alternative) => problemOf(alternative, payload, facts))
    return problems.findLast(isWrongType) ?? problems.findLast(isThere) ?? problems.at(-1)!
  }
  const names = fields.map(({ alternatives }) => nameOf(alternatives, payload, facts))
  const detail = `${names.join(' and ')} and the text around them are longer than ${ID_BYTES_MAX} bytes together`
  return { kind: 'problem', problem: { reason: 'wrong_type', detail } }
}

const nameOf = (alternatives: readonly Alternative[], payload: JsonValue, facts: RequestFacts): string =>
  alternatives.find((one) => read(one, payload, facts) !== undefined)!.name

const isWrongType = (one: Identified): boolean =>
  one.kind === 'problem' && one.problem.reason === 'wrong_type'
const isThere = (one: Identified): boolean =>
  one.kind === 'problem' && !one.problem.detail.endsWith('is missing')

const problemOf = (alternative: Alternative, payload: JsonValue, facts: RequestFacts): Identified => {
  if (alternative.kind === 'path') return noId(alternative.path.join('.'), valueAt(payload, alternative.path))
  if (alternative.kind === 'header') return noHeader(alternative.name, facts)
  return noId(`${alternative.name.replace(BATCH, '')} of the batch`, batchValue(alternative, facts))
}

const batchValue = (alternative: Alternative, facts: RequestFacts): JsonValue | undefined =>
  alternative.kind === 'batch' ? facts.around?.(alternative.path) : undefined
