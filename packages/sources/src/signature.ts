import { createHmac, timingSafeEqual } from 'node:crypto'
import type { VerifierSpec } from './source.ts'

export type HmacSpec = Extract<VerifierSpec, { kind: 'hmac' }>

/** Strict: `Buffer.from` would skip what is not of the alphabet and so accept a good signature with anything behind it. */
const FORMS = {
  'sha256-hex': /^[0-9a-fA-F]{64}$/,
  'sha256-base64': /^[A-Za-z0-9+/]{43}=$/,
  'sha512-hex': /^[0-9a-fA-F]{128}$/,
  'sha512-base64': /^[A-Za-z0-9+/]{86}==$/,
} as const

/** The header value with which the provider would sign these bytes. The secret's text is the key, as providers do it. */
export const sign = (spec: HmacSpec, secret: string, raw: Buffer): string =>
  spec.prefix + createHmac(spec.algorithm, secret).update(raw).digest(spec.encoding)

export type SignatureVerdict = 'valid' | 'missing' | 'invalid'

/**
 * Checks a signature over the raw bytes, in constant time, against every secret: during a rotation the old and the
 * new one are both good. Never throws.
 */
export const verifySignature = (
  spec: HmacSpec,
  secrets: readonly string[],
  header: string | readonly string[] | undefined,
  raw: Buffer,
): SignatureVerdict => {
  if (header === undefined || header === '') return 'missing'
  if (typeof header !== 'string' || !header.startsWith(spec.prefix)) return 'invalid'
  const text = header.slice(spec.prefix.length)
  if (!FORMS[`${spec.algorithm}-${spec.encoding}`].test(text)) return 'invalid'
  const given = Buffer.from(text, spec.encoding)
  // The last character of base64 has spare bits: only the canonical text is the signature.
  if (spec.encoding === 'base64' && given.toString('base64') !== text) return 'invalid'
  let valid = false
  for (const secret of secrets) {
    if (timingSafeEqual(createHmac(spec.algorithm, secret).update(raw).digest(), given)) valid = true
  }
  return valid ? 'valid' : 'invalid'
}
