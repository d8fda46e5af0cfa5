import { decodeReceivedWebhook, InvalidRecordError, type ReceivedWebhook } from '@weir/contracts'
import type { InputRecord } from '@weir/kafka'
import { deadLetter, ok, type Outcome } from '@weir/pipeline'

export const readWebhook = (record: InputRecord): Outcome<ReceivedWebhook> => {
  try {
    return ok(decodeReceivedWebhook(record))
  } catch (error) {
    if (!(error instanceof InvalidRecordError)) throw error
    return deadLetter('record_invalid', error.message)
  }
}
