import { verify, type KeyObject } from 'node:crypto'
import { jsonBody } from '@weir/contracts'
import type { JsonObject } from '@weir/exact-json'
import { decodeStrict } from './encodings.ts'
import { publicKeyOf, RSA_BYTES } from './public-keys.ts'
import { SecretError } from './secrets.ts'
import type { SnsSpec } from './spec.ts'
import { isFresh, parseTimestamp } from './timestamp.ts'
import type { InvalidReason, SignatureResult, Verifier } from './verifier.ts'

/** Much longer than the hour for which Amazon SNS retries. */
const TOLERANCE_SECS = 86_400
const KEYS_MAX = 4
const HASHES: Readonly<Record<string, 'sha256' | 'sha1'>> = { '1': 'sha1', '2': 'sha256' }
const CERTIFICATE_URL = /^https:\/\/sns\.[a-z0-9-]{3,40}\.amazonaws\.com(?:\.cn)?\/[\w./-]{1,200}\.pem$/
const LINE_BREAK = /[\r\n]/

const NOTIFICATION = ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type']
const CONFIRMATION = [
  'Message',
  'MessageId',
  'Subject',
  'SubscribeURL',
  'Timestamp',
  'Token',
  'TopicArn',
  'Type',
]

/** The signed names in their order. Undefined if no message has this type. */
const namesOf = (type: unknown): readonly string[] | undefined => {
  if (type === 'Notification') return NOTIFICATION
  return isConfirmation(type) ? CONFIRMATION : undefined
}

export const isConfirmation = (type: unknown): boolean =>
  type === 'SubscriptionConfirmation' || type === 'UnsubscribeConfirmation'

/**
 * What Amazon SNS signs: names and values, one per line. Undefined if the body is not a message, or if a value other
 * than `Message` contains a line break, because the same text could then be another message.
 */
export const snsText = (message: JsonObject): string | undefined => {
  const names = namesOf(message.Type)
  if (names === undefined) return undefined
  let text = ''
  for (const name of names) {
    const value = message[name]
    if (name === 'Subject' && (value === undefined || value === null)) continue
    if (typeof value !== 'string' || (name !== 'Message' && LINE_BREAK.test(value))) return undefined
    text += `${name}\n${value}\n`
  }
  return text
}

const invalid = (reason: InvalidReason): SignatureResult => ({ kind: 'invalid', reason })

/**
 * Checks messages of Amazon SNS with pinned certificates. The certificate URL in a message is not used. Throws a
 * `SecretError`.
 */
export const createSnsVerifier = (spec: SnsSpec, secrets: readonly string[]): Verifier => {
  if (secrets.length > KEYS_MAX) throw new SecretError(`more than ${KEYS_MAX} certificates`)
  const keys = secrets.map(keyOf)
  return (_headers, raw, now) => {
    const message = parse(raw)
    if (message === undefined) return invalid('malformed')
    if (message.Signature === undefined) return { kind: 'missing' }
    const text = snsText(message)
    const signature = decodeSignature(message.Signature)
    const hash = typeof message.SignatureVersion === 'string' ? HASHES[message.SignatureVersion] : undefined
    if (text === undefined || signature === undefined || hash === undefined) return invalid('malformed')
    if (hash === 'sha1' && spec.allowSha1 !== true) return invalid('no_match')
    const secret = keys.findIndex((key) => verify(hash, Buffer.from(text), key, signature))
    if (secret < 0) return invalid('no_match')
    return claimProblem(spec, message, now) ?? { kind: 'valid', secret }
  }
}

const claimProblem = (spec: SnsSpec, message: JsonObject, now: number): SignatureResult | undefined => {
  const {
    TopicArn: topic,
    SigningCertURL: url,
    Timestamp: time,
  } = message as Readonly<Record<string, unknown>>
  // All customers of AWS share the certificate. The topic identifies the customer that sent the message.
  if (!spec.topics.some((one) => one === topic)) return invalid('claim_mismatch')
  if (typeof url !== 'string' || !CERTIFICATE_URL.test(url)) return invalid('claim_mismatch')
  const sentAt = parseTimestamp(time as string, 'iso')
  if (sentAt === undefined) return invalid('timestamp_malformed')
  return isFresh(sentAt, now, TOLERANCE_SECS) ? undefined : invalid('timestamp_outside_tolerance')
}

const keyOf = (text: string, index: number): KeyObject => {
  try {
    return publicKeyOf(text, 'rsa', 'base64')
  } catch (error) {
    throw new SecretError(`secret ${index} ${(error as Error).message}`)
  }
}

const parse = (raw: Buffer): JsonObject | undefined => {
  try {
    const value = JSON.parse(jsonBody({ raw }).toString()) as unknown
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as JsonObject)
      : undefined
  } catch {
    return undefined
  }
}

const decodeSignature = (text: unknown): Buffer | undefined => {
  const bytes = typeof text === 'string' ? decodeStrict(text, 'base64') : undefined
  return bytes !== undefined && bytes.length >= RSA_BYTES.min && bytes.length <= RSA_BYTES.max
    ? bytes
    : undefined
}
