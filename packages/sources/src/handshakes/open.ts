import { createHmac } from 'node:crypto'
import { isSameText } from '@weir/contracts'
import { isToken, json, only, permission, refused, text, type Handshake } from './handshake.ts'

/** DNS names as the specification defines them. */
const ORIGIN = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/
const RATE = /^[1-9]\d{0,8}$/

/**
 * CloudEvents' abuse protection (HTTP 1.1 Web Hooks for Event Delivery, section 4). Weir does not call the callback
 * URL, because a sender could name any.
 */
export const cloudevents: Handshake = {
  open: ({ method, headers }, { origins, ratePerMinute }) => {
    if (method !== 'OPTIONS' || headers.count('webhook-request-origin') === 0) return undefined
    const origin = headers.get('webhook-request-origin')?.toLowerCase()
    if (origin === undefined || !ORIGIN.test(origin)) return refused(400, 'The origin is not a DNS name')
    const isAny = origins.includes('*')
    if (!isAny && !origins.includes(origin)) return refused(403, 'The origin is not allowed')
    const wanted = headers.get('webhook-request-rate')
    const asked = wanted !== undefined && RATE.test(wanted) ? Number(wanted) : undefined
    const granted = Math.min(asked ?? Infinity, ratePerMinute ?? Infinity)
    return permission({
      allow: 'POST',
      'webhook-allowed-origin': isAny ? '*' : origin,
      'webhook-allowed-rate': Number.isFinite(granted) ? String(granted) : '*',
    })
  },
}

/** Meta's verification request. */
export const meta: Handshake = {
  open: ({ method, query }, { verifyToken }) => {
    if (method !== 'GET' || !query.has('hub.mode')) return undefined
    const token = only(query, 'hub.verify_token')
    const isMeta = verifyToken !== undefined && token !== undefined && isSameText(token, verifyToken)
    if (!isMeta || only(query, 'hub.mode') !== 'subscribe') return refused(403, 'Verify token mismatch')
    const challenge = only(query, 'hub.challenge')
    return isToken(challenge) ? text(challenge) : refused(400, 'hub.challenge is not a token')
  },
}

/** The `crc_token` that X sends. */
const CRC_TOKEN = /^[\w.~+/-]{0,256}={0,2}$/

/**
 * Anyone can have such a text signed by asking for it, so a signed body of this form proves nothing and is refused. No
 * JSON object has this form.
 */
export const isCrcText = (raw: Buffer): boolean => raw.length <= 258 && CRC_TOKEN.test(raw.toString('latin1'))

/** X's Challenge-Response Check. */
export const twitterCrc: Handshake = {
  open: ({ method, query }, { secrets: [secret] }) => {
    if (method !== 'GET' || !query.has('crc_token')) return undefined
    const token = only(query, 'crc_token')
    if (!token || !CRC_TOKEN.test(token)) return refused(400, 'crc_token is not a token')
    if (secret === undefined) return refused(403, 'There is no secret to sign with')
    return json({ response_token: `sha256=${createHmac('sha256', secret).update(token).digest('base64')}` })
  },
}

/** Printable ASCII without markup characters. A token of Microsoft Graph may contain spaces and colons. */
const VALIDATION_TOKEN = /^[\w .,:;~!?@#$%*()+/=[\]{}|-]{1,1024}$/

/** Microsoft Graph's notification endpoint validation. */
export const microsoftGraph: Handshake = {
  open: ({ method, query }) => {
    if (method !== 'POST' || !query.has('validationToken')) return undefined
    const token = only(query, 'validationToken')
    return token !== undefined && VALIDATION_TOKEN.test(token)
      ? text(token)
      : refused(400, 'validationToken is not a token')
  },
}
