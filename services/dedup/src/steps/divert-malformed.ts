import { deadLetter, ok, type Outcome } from '@weir/runtime'
import type { KeyedWebhook } from './read-keys.ts'

/** What ingress could not read is authentic all the same: it is kept for a person. */
export const divertMalformed = (webhook: KeyedWebhook): Outcome<KeyedWebhook> => {
  const { intakeError } = webhook
  return intakeError === undefined ? ok(webhook) : deadLetter(intakeError.reason, intakeError.detail)
}
