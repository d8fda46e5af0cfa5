import { joinDedupKey } from '@weir/contracts'
import { asObject, identified, idOf, noHeader, noId, wrongType } from '../../fields.ts'
import { headerFact } from '../../key-facts.ts'
import type { Identified, Identify, JsonValue, RequestFacts } from '../../source.ts'
import { defineSource } from '../define-source.ts'

const ITEMS_MAX = 1_000
const STRUCTURED = /^application\/cloudevents(?:-batch)?\+json\s*(?:;|$)/i

/**
 * Attributes are fields of the body in structured mode and in batches. In binary mode they are headers, and the body is
 * the data.
 */
const readAttributes = (payload: JsonValue, facts: RequestFacts): Identified => {
  const isStructured = STRUCTURED.test(facts.header('content-type') ?? '')
  const event = asObject(payload)
  const attribute = (name: string): string | undefined =>
    isStructured ? textOf(event?.[name]) : textOf(decoded(facts.header(`ce-${name}`)))
  const none = (name: string): Identified =>
    isStructured ? noId(name, event?.[name], { form: 'a text' }) : noHeader(`ce-${name}`, facts)
  const [id, source, type] = [attribute('id'), attribute('source'), attribute('type')]
  // The media type is not signed. Without this check anyone who sees an event in binary mode could make another event
  // of its data.
  const isBoth = isStructured && ['ce-id', 'ce-source'].every((name) => facts.header(name) !== undefined)
  const other = isBoth
    ? ATTRIBUTES.find((name) => isOther(facts.header(`ce-${name}`), event?.[name]))
    : undefined
  if (other !== undefined) return wrongType(`header ce-${other}`, `the ${other} of the body`)
  if (id === undefined) return none('id')
  if (source === undefined) return none('source')
  if (type === undefined) return none('type')
  const interactionId = attribute('subject') ?? source
  return identified({ interactionId, eventType: type, dedupKey: joinDedupKey([source, id]) })
}

const ATTRIBUTES = ['id', 'source', 'type', 'subject']

const identify: Identify = Object.assign(readAttributes, {
  asks: ['content-type', ...ATTRIBUTES.map((name) => `ce-${name}`)].map(headerFact),
})

/** Headers may repeat attributes of the body (HTTP protocol binding, 3.2.3). */
const isOther = (header: string | undefined, value: JsonValue | undefined): boolean =>
  header !== undefined && decoded(header) !== value

const textOf = (value: JsonValue | undefined): string | undefined =>
  typeof value === 'string' ? idOf(value) : undefined

/** Header values are percent-encoded where necessary (HTTP protocol binding, 3.1.3.2). */
const decoded = (value: string | undefined): string | undefined => {
  if (!value?.includes('%')) return value
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}

/** CloudEvents 1.0 over HTTP: binary, structured and batched. The specification defines no signature. */
export const cloudevents = defineSource('cloudevents', {
  verifier: { kind: 'address', tokenHeader: 'authorization', tokenSuffices: true },
  handshakes: [],
  split: { path: [], itemsMax: ITEMS_MAX, mediaType: 'application/cloudevents-batch+json' },
  identify,
})
