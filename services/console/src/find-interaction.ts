import { eventKeyOf, LATEST_MAPPED_FIELDS, routedForm } from '@weir/contracts'
import { isJsonObject, parseExactJson, type JsonObject, type JsonValue } from '@weir/exact-json'
import { acceptedResponse, PRESETS, type PresetName } from '@weir/sources'
import { DatabaseUnavailableError, type StoredEvents } from './stored-events.ts'
import type { StoredInteraction } from './stored-interactions.ts'

/** The format of an interaction: Weir's own, or the nested format of S2's router. */
export const INTERACTION_FORMS = ['weir', 'cxone-router'] as const
export type InteractionForm = (typeof INTERACTION_FORMS)[number]

/** The response to a query. `status` is the label of the metric. */
export interface InteractionAnswer {
  readonly code: 200 | 404 | 503
  readonly status: 'state' | 'unknown' | 'unavailable'
  readonly body: object
}

const unavailable = (error: string): InteractionAnswer => ({
  code: 503,
  status: 'unavailable',
  body: { error },
})

export const findInteractionIn = (stored: Pick<StoredEvents, 'findInteraction'> | undefined) =>
  async function findInteraction(
    source: string,
    interactionId: string,
    form: InteractionForm,
  ): Promise<InteractionAnswer> {
    if (stored === undefined)
      return unavailable('DATABASE_URL is not set, so the console has no state of interactions')
    try {
      const row = await stored.findInteraction(source, interactionId)
      if (row === undefined) {
        return { code: 404, status: 'unknown', body: { error: 'No such interaction is known' } }
      }
      return { code: 200, status: 'state', body: form === 'weir' ? stateOf(row) : nested(row) }
    } catch (error) {
      if (!(error instanceof DatabaseUnavailableError)) throw error
      return unavailable('The database does not respond')
    }
  }

const stateOf = (row: StoredInteraction): object => {
  const { eventKey, occurredAt, receivedAt, updatedAt, sequence, source, interactionId, eventType } = row
  return {
    source,
    interactionId,
    eventType,
    eventKey: eventKey.toString('hex'),
    sequence,
    occurredAt: occurredAt?.toISOString() ?? null,
    receivedAt: receivedAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
    ...Object.fromEntries(LATEST_MAPPED_FIELDS.map((field) => [field, row[field]])),
    ...ownState(row),
  }
}

const nested = (row: StoredInteraction): object =>
  routedForm(
    { ...row, timestamp: row.occurredAtOriginal ?? row.occurredAt?.toISOString() ?? null },
    parseExactJson(row.payload),
  )

/** The state in the form of the source's system: S4's fields, S1's stored response, or else the payload. */
const ownState = (row: StoredInteraction): object => {
  const payload = parseExactJson(row.payload)
  const came = row.raw === null ? undefined : objectOf(row.raw)
  if (came === undefined) return { state: payload }
  if (dedupKeyIn('nice', row, came) !== undefined) {
    const { dataActionId, updatedTimestamp, payload: own = {} } = came
    return { state: { dataActionId: dataActionId!, updatedTimestamp: updatedTimestamp!, payload: own } }
  }
  const dedupKey = dedupKeyIn('cognigy', row, came)
  if (dedupKey === undefined) return { state: payload }
  const response = acceptedResponse('cognigy', {
    identity: { interactionId: row.interactionId, dedupKey },
    eventKey: row.eventKey.toString('hex'),
    isMalformed: false,
    payload: came,
    receivedAt: row.receivedAt.getTime(),
  })
  return { state: payload, response: JSON.parse(response) as object }
}

const objectOf = (raw: Buffer): JsonObject | undefined => {
  try {
    const value: JsonValue = parseExactJson(raw.toString())
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Returns undefined if the rules of this preset did not identify the event, whatever the name of its source. */
const dedupKeyIn = (preset: PresetName, row: StoredInteraction, came: JsonObject): string | undefined => {
  const found = PRESETS[preset].identify(came, { bodyHash: () => '', header: () => undefined })
  if (found.kind !== 'identified') return undefined
  const { dedupKey } = found.identity
  return eventKeyOf(row.source, dedupKey).equals(row.eventKey) ? dedupKey : undefined
}
