import type { ReceivedWebhook } from '@weir/contracts'
import { deadLetter, ok, type Outcome } from '@weir/pipeline'

/** What ingress could not read is authentic all the same: it is kept for a person. */
export const divertMalformed = (webhook: ReceivedWebhook): Outcome<ReceivedWebhook> => {
  const { intakeError } = webhook
  return intakeError === undefined ? ok(webhook) : deadLetter(intakeError.reason, intakeError.detail)
}
