import { jsonBody, type ReceivedWebhook } from '@weir/contracts'
import { isContainer, parseExactJson } from '@weir/exact-json'
import { deadLetter, ok, type Outcome } from '@weir/runtime'
import { NO_RULES, type CompiledRules } from '../mappings/compile-rules.ts'

export interface ParsedWebhook {
  readonly webhook: ReceivedWebhook
  readonly payload: object
  /** The body is not a JSON object, and need not be: the payload is an empty one. */
  readonly isOpaque: boolean
}

const NO_PAYLOAD = Object.freeze({})

/** Ingress has answered 2xx to whatever body an opaque source sends, so that is no fault. */
export const parsePayloadBy = (rules: ReadonlyMap<string, CompiledRules>) =>
  function parsePayload(webhook: ReceivedWebhook): Outcome<ParsedWebhook> {
    const { isOpaque } = rules.get(webhook.source) ?? NO_RULES
    let payload: unknown
    try {
      payload = parseExactJson(jsonBody(webhook).toString())
    } catch {
      if (!isOpaque) return deadLetter('invalid_json', 'not JSON')
    }
    if (isContainer(payload)) return ok({ webhook, payload, isOpaque: false })
    if (isOpaque) return ok({ webhook, payload: NO_PAYLOAD, isOpaque })
    return deadLetter('wrong_type', 'the body is not an object')
  }
