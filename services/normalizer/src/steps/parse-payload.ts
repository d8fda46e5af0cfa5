import type { ReceivedWebhook } from '@weir/contracts'
import { deadLetter, ok, type Outcome } from '@weir/pipeline'

export interface ParsedWebhook {
  readonly webhook: ReceivedWebhook
  readonly payload: object
}

export const parsePayload = (webhook: ReceivedWebhook): Outcome<ParsedWebhook> => {
  let payload: unknown
  try {
    payload = JSON.parse(webhook.raw.toString())
  } catch {
    return deadLetter('invalid_json', 'not JSON')
  }
  if (typeof payload !== 'object' || payload === null)
    return deadLetter('wrong_type', 'the body is not an object')
  return ok({ webhook, payload })
}
