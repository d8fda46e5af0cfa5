import type { InteractionEvent, ReceivedWebhook } from '@weir/contracts'
import { deadLetter, ok, type Outcome } from '@weir/pipeline'
import { JSONPath } from 'jsonpath-plus'
import { fingerprintOf } from '../fingerprint.ts'
import { MAPPINGS } from '../mappings/index.ts'
import type { MappedField, Mapping } from '../mappings/mapping.ts'
import type { ParsedWebhook } from './parse-payload.ts'

/** An event but for the moment at which it is written. */
export type MappedEvent = Omit<InteractionEvent, 'processedAt'>

/** Top-level fields that identify the event: its key and header have them. */
const IDENTITY_FIELDS: Readonly<Record<string, readonly string[]>> = {
  cxone: ['interactionId', 'eventType', 'sequenceNumber', 'data', 'webhookId'],
  cognigy: ['conversationId'],
  'cxone-dataaction': ['id', 'type'],
  nice: ['interactionId'],
}

const valueAt = (payload: object, path: string): unknown =>
  JSONPath({ path, json: payload, wrap: false, eval: false })

/** A text or a number, as text; anything else is not a part. */
const textAt = (payload: object, paths: readonly string[]): string | null => {
  for (const path of paths) {
    const value = valueAt(payload, path)
    if (typeof value === 'string') return value
    if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  }
  return null
}

const fits = ({ source, when }: Mapping, webhook: ReceivedWebhook, payload: object): boolean =>
  source === webhook.source &&
  (when === undefined || when.oneOf.includes(String(valueAt(payload, when.path))))

/** Epoch ms of ISO text or of epoch ms as text, null when it is neither. */
const epochMsOf = (text: string | null): number | null => {
  if (text === null) return null
  const epochMs = /^-?\d{1,15}$/.test(text) ? Number(text) : Date.parse(text)
  return Number.isNaN(epochMs) ? null : epochMs
}

const topLevelOf = (path: string): string => /^\$\.(\w+)/.exec(path)?.[1] ?? ''

/** Tolerant: a part that is not there is null and named, and what no mapping names is kept as an attribute. */
export const mapEvent = ({ webhook, payload }: ParsedWebhook): Outcome<MappedEvent> => {
  const mapping = MAPPINGS.find((one) => fits(one, webhook, payload))
  if (mapping === undefined) return deadLetter('unmappable', 'no mapping for the source')
  const { constants, optional = [] } = mapping
  const partsMissing: string[] = []
  const part = (field: MappedField): string | null => {
    const paths = mapping.paths[field]
    if (paths === undefined) return null
    const text = textAt(payload, paths)
    if (text === null && !optional.includes(field)) partsMissing.push(field)
    return text
  }
  const customerIdentifier = part('customerIdentifier')
  const occurredAtOriginal = part('occurredAtOriginal')
  return ok({
    eventKey: webhook.eventKey.toString('hex'),
    source: webhook.source,
    eventType: webhook.eventType,
    interactionId: webhook.interactionId,
    channel: constants?.channel ?? part('channel'),
    direction: part('direction'),
    customerIdentifier,
    customerType: customerIdentifier === null ? null : (constants?.customerType ?? null),
    queue: part('queue'),
    skill: part('skill'),
    agentId: part('agentId'),
    message: part('message'),
    intent: part('intent'),
    sequence: webhook.providerSequence ?? null,
    occurredAt: epochMsOf(occurredAtOriginal),
    occurredAtOriginal,
    receivedAt: webhook.receivedAt,
    schemaVersion: fingerprintOf(payload),
    declaredSchemaVersion: part('declaredSchemaVersion'),
    dataActionId: part('dataActionId'),
    sessionId: part('sessionId'),
    userId: part('userId'),
    attributes: attributesOf(payload, mapping),
    partsMissing,
    bodyHash: webhook.bodyHash,
    raw: webhook.raw,
  })
}

const attributesOf = (payload: object, { source, paths }: Mapping): Record<string, string> => {
  const named = new Set([...(IDENTITY_FIELDS[source] ?? []), ...Object.values(paths).flat().map(topLevelOf)])
  return Object.fromEntries(
    Object.entries(payload)
      .filter(([name]) => !named.has(name))
      .map(([name, value]) => [name, JSON.stringify(value)]),
  )
}
