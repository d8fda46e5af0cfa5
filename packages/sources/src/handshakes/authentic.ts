import { createHmac } from 'node:crypto'
import { valueAt } from '../fields.ts'
import { isToken, json, refused, type Handshake } from './handshake.ts'

/** Slack's `url_verification`. */
export const slack: Handshake = {
  authentic: ({ payload }) => {
    if (valueAt(payload, ['type']) !== 'url_verification') return undefined
    const challenge = valueAt(payload, ['challenge'])
    return isToken(challenge) ? json({ challenge }) : refused(400, 'challenge is not a token')
  },
}

/** Zoom's `endpoint.url_validation`, which Zoom repeats every 72 hours. */
export const zoom: Handshake = {
  authentic: ({ payload, secret }) => {
    if (valueAt(payload, ['event']) !== 'endpoint.url_validation') return undefined
    // Without this check anyone could have any text signed.
    if (secret === undefined) return refused(401, 'The request is not signed')
    const plainToken = valueAt(payload, ['payload', 'plainToken'])
    if (!isToken(plainToken)) return refused(400, 'payload.plainToken is not a token')
    return json({ plainToken, encryptedToken: createHmac('sha256', secret).update(plainToken).digest('hex') })
  },
}

const VALIDATION = 'SubscriptionValidation'
const VALIDATION_EVENT = 'Microsoft.EventGrid.SubscriptionValidationEvent'

/** Azure Event Grid's validation event. Weir does not call the validation URL in it. */
export const eventGrid: Handshake = {
  authentic: ({ headers, payload }) => {
    const event = Array.isArray(payload) && payload.length === 1 ? (payload[0] as typeof payload) : payload
    const isValidation = valueAt(event, ['eventType']) === VALIDATION_EVENT
    if (!isValidation && headers.get('aeg-event-type') !== VALIDATION) return undefined
    const code = valueAt(event, ['data', 'validationCode'])
    return isValidation && isToken(code)
      ? json({ validationResponse: code })
      : refused(400, 'data.validationCode is not a token')
  },
}
