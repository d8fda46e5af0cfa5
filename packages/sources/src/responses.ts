import { asObject } from './fields.ts'
import type { AcceptedProfile, Identity, JsonValue, RefusalProfile, Refusals } from './source.ts'

export const REFUSAL_PROFILES = [
  'weir',
  'cxone',
  'cxone-router',
  'cognigy',
  'cxone-dataaction',
  'nice',
] as const
export const ACCEPTED_PROFILES = [...REFUSAL_PROFILES, 'nice-accepted', 'slack'] as const

/** Every signature failure gets the same body, so that a forger learns nothing from it. */
const UNAUTHORIZED = {
  statusMissing: 401,
  statusInvalid: 401,
  answerMissing: 'Unauthorized',
  answerInvalid: 'Unauthorized',
}

export const REFUSALS: Readonly<Record<RefusalProfile, Refusals>> = {
  weir: { ...UNAUTHORIZED, answerField: 'error' },
  cxone: {
    statusMissing: 400,
    statusInvalid: 401,
    answerMissing: '',
    answerInvalid: '',
    answerMalformed: '',
  },
  'cxone-router': {
    ...UNAUTHORIZED,
    answerField: 'error',
    answerMalformed: 'Invalid payload structure',
    answerStructure: 'Invalid payload structure',
  },
  cognigy: {
    statusMissing: 401,
    statusInvalid: 403,
    answerField: 'error',
    answerMissing: 'Missing or wrong token',
    answerInvalid: 'Address not allowed',
    answerMalformed: 'Invalid JSON syntax in Cognigy webhook payload',
  },
  'cxone-dataaction': {
    statusMissing: 401,
    statusInvalid: 401,
    answerField: 'detail',
    answerMissing: 'Missing X-Nice-Webhook-Signature header',
    answerInvalid: 'Invalid webhook signature',
    answerMalformed: 'Malformed JSON',
  },
  nice: {
    statusMissing: 403,
    statusInvalid: 401,
    answerField: 'detail',
    answerMissing: 'Missing webhook signature header',
    answerInvalid: 'Invalid webhook signature',
    answerMalformed: 'Malformed JSON payload',
  },
}

/** What ingress knows when the brokers have the webhook. Duplicates and the stored state are found later. */
export interface AcceptedFacts {
  readonly identity: Pick<Identity, 'interactionId' | 'dedupKey'>
  /** Hex. */
  readonly eventKey: string
  readonly isMalformed: boolean
  readonly payload: JsonValue
  /** Epoch ms. */
  readonly receivedAt: number
}

/** The body of a 2xx response. Empty if there is none. */
export const acceptedResponse = (profile: AcceptedProfile, facts: AcceptedFacts): string => {
  const { interactionId, dedupKey } = facts.identity
  switch (profile) {
    case 'weir':
      return `{"status":"accepted","eventKey":"${facts.eventKey}","interactionId":${JSON.stringify(interactionId)}}`
    case 'cxone':
      return ''
    case 'cxone-router':
      if (facts.isMalformed) return '{"status":"queued_for_retry"}'
      return `{"status":"processed","interactionId":${JSON.stringify(interactionId)}}`
    case 'cognigy':
      return JSON.stringify({ success: true, messageId: dedupKey, processedAt: facts.receivedAt })
    case 'cxone-dataaction':
      return '{"status":"processed"}'
    case 'nice':
      if (facts.isMalformed) return '{"status":"accepted","interactionId":""}'
      return JSON.stringify({ status: 'processed', interactionId, state: stateOf(facts.payload) })
    case 'nice-accepted':
      return `{"status":"accepted","interactionId":${JSON.stringify(interactionId)}}`
    case 'slack':
      return ''
  }
}

export interface BatchFacts {
  /** Hex, in the order of the elements. */
  readonly eventKeys: readonly string[]
  readonly malformed: number
}

/** A response lists the keys of at most this many elements. */
const NAMED_MAX = 100

/** The 2xx body for a batch: empty for profiles with an empty body, otherwise Weir's own. */
export const acceptedBatchResponse = (
  profile: AcceptedProfile,
  { eventKeys, malformed }: BatchFacts,
): string =>
  profile === 'cxone' || profile === 'slack'
    ? ''
    : JSON.stringify({
        status: 'accepted',
        elements: eventKeys.length,
        malformed,
        eventKeys: eventKeys.slice(0, NAMED_MAX),
      })

/** S4 reports the state of an interaction's last event. As far as ingress knows, this is the last event. */
const stateOf = (payload: JsonValue) => {
  const { dataActionId = null, updatedTimestamp = null, payload: own } = asObject(payload) ?? {}
  return { dataActionId, updatedTimestamp, payload: own ?? {} }
}
