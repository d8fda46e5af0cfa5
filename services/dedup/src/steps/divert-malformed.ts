import { deadLetter, ok, type Outcome } from '@weir/runtime'
import type { KeyedWebhook } from './read-keys.ts'

/** Keeps a body that ingress could not parse as a dead letter, because it is authentic all the same. */
export const divertMalformed = (webhook: KeyedWebhook): Outcome<KeyedWebhook> => {
  const { intakeError } = webhook
  return intakeError === undefined ? ok(webhook) : deadLetter(intakeError.reason, intakeError.detail)
}
