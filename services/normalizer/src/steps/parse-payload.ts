import { jsonBody, type ReceivedWebhook } from '@weir/contracts'
import { isContainer, parseExactJson } from '@weir/exact-json'
import { deadLetter, ok, type Outcome } from '@weir/runtime'
import { NO_RULES, type CompiledRules } from '../mappings/compile-rules.ts'

export interface ParsedWebhook {
  readonly webhook: ReceivedWebhook
  readonly payload: object
  /** The body of an opaque source is not a JSON object, and the payload is empty. */
  readonly isOpaque: boolean
}

const NO_PAYLOAD = Object.freeze({})

/** Ingress answers 2xx to any body of an opaque source, so such a body is not an error. */
export const createParsePayloadStep = (rules: ReadonlyMap<string, CompiledRules>) =>
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
