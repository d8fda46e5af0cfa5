import { decodeReceivedWebhook, InvalidRecordError, type ReceivedWebhook } from '@weir/contracts'
import { deadLetter, ok, type Outcome } from './outcome.ts'

/** First step of a service that reads webhooks: a record that does not have Weir's form becomes a dead letter. */
export const readWebhook = (
  record: Parameters<typeof decodeReceivedWebhook>[0],
): Outcome<ReceivedWebhook> => {
  try {
    return ok(decodeReceivedWebhook(record))
  } catch (error) {
    if (!(error instanceof InvalidRecordError)) throw error
    return deadLetter('record_invalid', error.message)
  }
}
