import { timingSafeEqual, verify, type KeyObject } from 'node:crypto'
import type { HmacKey } from '@weir/contracts'
import type { RequestHeaders } from './content/request-headers.ts'
import { calledUrls, POST_LINE, type RequestLine } from './content/request-line.ts'
import { keysOf, type VerificationKey } from './secrets.ts'
import { readEntries, type OfferedSignature } from './signature-entries.ts'
import { compileContent, type SignedContent, type SignedParts } from './content/signed-content.ts'
import { isSignature, type SignatureSpec, type VerifierSpec } from './spec.ts'
import { specProblems } from './spec-problems.ts'
import { isFresh, parseTimestamp } from './timestamp.ts'

/** Why a signature or token is not valid. The list is closed, because the reason is a metric label. */
export type InvalidReason =
  | 'header_repeated'
  | 'malformed'
  | 'no_match'
  | 'id_missing'
  | 'header_missing'
  | 'timestamp_missing'
  | 'timestamp_malformed'
  | 'timestamp_outside_tolerance'
  | 'claim_mismatch'

export type SignatureResult =
  /** `secret`: the index of the first secret that matched. */
  | { readonly kind: 'valid'; readonly secret: number }
  | { readonly kind: 'missing' }
  | { readonly kind: 'invalid'; readonly reason: InvalidReason }

/** `now`: epoch ms. `line`: needed if the method or the URL is signed. Never throws. */
export type Verifier = (
  headers: RequestHeaders,
  raw: Buffer,
  now: number,
  line?: RequestLine,
) => SignatureResult

const MISSING: SignatureResult = { kind: 'missing' }
const invalid = (reason: InvalidReason): SignatureResult => ({ kind: 'invalid', reason })
/** Visible ASCII, because an id is signed as the bytes of its text. */
const ID = /^[\x21-\x7e]{1,256}$/

/** Headers that must occur exactly once, in lower case. */
export const signatureHeaders = (verifier: VerifierSpec): readonly string[] =>
  isSignature(verifier)
    ? [
        ...[verifier.header, verifier.idHeader, verifier.timestamp?.header].filter(
          (name) => name !== undefined,
        ),
        ...compileContent(verifier.content).headers,
      ]
    : []

/**
 * Verifies signatures over the raw bytes in constant time against every secret. During a rotation the old and the new
 * secret are valid, and so is a request signed with both. Throws a `SecretError` or `RangeError` if the spec or a
 * secret cannot be used.
 */
export const createVerifier = (spec: SignatureSpec, secrets: readonly string[]): Verifier => {
  const problems = specProblems(spec)
  if (problems.length > 0)
    throw new RangeError(problems.map(({ field, message }) => `${field}: ${message}`).join('; '))
  const keys = keysOf(spec, secrets)
  const content = compileContent(spec.content)
  const single = signatureHeaders(spec)
  const urls = spec.publicUrl === undefined ? undefined : calledUrls(spec.publicUrl)
  const { timestamp: timing, idHeader } = spec
  return (headers, raw, now, line = POST_LINE) => {
    const header = headers.get(spec.header)
    if (header === undefined && headers.count(spec.header) <= 1) return MISSING
    if (header === undefined || single.some((name) => headers.count(name) > 1))
      return invalid('header_repeated')
    const entries = readEntries(spec, header)
    if (entries === undefined) return invalid('malformed')
    const parts = { timestamp: '', id: '', method: line.method, url: '', headers }
    let isLate = false
    if (timing !== undefined) {
      const text = timing.header === undefined ? entries.timestamp : headers.get(timing.header)
      if (text === undefined) return invalid('timestamp_missing')
      const sentAt = parseTimestamp(text, timing.unit)
      if (sentAt === undefined) return invalid('timestamp_malformed')
      isLate = !isFresh(sentAt, now, timing.toleranceSecs)
      parts.timestamp = text
    }
    if (idHeader !== undefined) {
      const id = headers.get(idHeader)
      if (id === undefined || !ID.test(id)) return invalid('id_missing')
      parts.id = id
    }
    if (content.headers.some((name) => headers.get(name) === undefined)) return invalid('header_missing')
    if (entries.signatures.length === 0) return invalid('malformed')
    // Verifying with a public key is too slow for a late request.
    if (isLate && spec.kind !== 'hmac') return invalid('timestamp_outside_tolerance')
    const match = (url: string) => matchOf(keys, entries.signatures, content, { ...parts, url }, raw)
    const secret = urls === undefined ? match('') : urls.candidates(line.target).reduce(firstFound(match), -1)
    if (secret < 0) return invalid('no_match')
    // This check comes last, so that only authentic requests count as late.
    return isLate ? invalid('timestamp_outside_tolerance') : { kind: 'valid', secret }
  }
}

/** Tries every URL, even after a match. */
const firstFound = (match: (url: string) => number) => (found: number, url: string) => {
  const one = match(url)
  return found < 0 ? one : found
}

const matchOf = (
  keys: readonly VerificationKey[],
  signatures: readonly OfferedSignature[],
  content: SignedContent,
  parts: SignedParts,
  raw: Buffer,
): number => {
  const body = content.body(raw, parts)
  if (body === undefined) return -1
  const text = { before: bytesOf(content.before(parts)), body, after: bytesOf(content.after(parts)) }
  return firstMatch(keys, signatures, text)
}

interface SignedText {
  readonly before: Buffer
  readonly body: Buffer
  readonly after: Buffer
}

const NOTHING = Buffer.alloc(0)
const bytesOf = (text: string): Buffer => (text === '' ? NOTHING : Buffer.from(text))

/**
 * The index of the first secret that matches, or -1. Every secret is compared with every signature, even after a match,
 * so that the time reveals nothing. Public keys are slow and not secret: they are tried last, and only until one
 * matches.
 */
const firstMatch = (
  keys: readonly VerificationKey[],
  signatures: readonly OfferedSignature[],
  text: SignedText,
): number => {
  let matched = -1
  for (const key of keys) {
    if (key.kind === 'hmac' && isHmacMatch(key.key, signatures, text) && matched < 0) matched = key.index
  }
  if (matched >= 0 || signatures.every(({ kind }) => kind === 'hmac')) return matched
  const message = Buffer.concat([text.before, text.body, text.after])
  let checks = 0
  for (const verification of keys) {
    if (verification.kind === 'hmac') continue
    for (const { kind, bytes } of signatures) {
      if (kind !== verification.kind) continue
      if ((checks += 1) > PUBLIC_CHECKS_MAX) return -1
      if (isPublicMatch(verification, message, bytes)) return verification.index
    }
  }
  return -1
}

/** For one request. Each check takes up to 2 ms for a body of 256 KB. */
const PUBLIC_CHECKS_MAX = 8

const isHmacMatch = (
  key: HmacKey,
  signatures: readonly OfferedSignature[],
  { before, body, after }: SignedText,
): boolean => {
  const offered = signatures.filter(({ kind }) => kind === 'hmac')
  if (offered.length === 0) return false
  const expected = Buffer.from(key.digest(body, before, after), 'latin1')
  let isGood = false
  for (const { bytes } of offered) if (timingSafeEqual(expected, bytes)) isGood = true
  return isGood
}

const P256_BYTES = 64

const isPublicMatch = (
  { kind, key, hash }: Extract<VerificationKey, { key: KeyObject }>,
  message: Buffer,
  signature: Buffer,
): boolean => {
  if (kind !== 'ecdsa') return verify(hash, message, key, signature)
  const dsaEncoding = signature.length === P256_BYTES ? 'ieee-p1363' : 'der'
  return verify(hash, message, { key, dsaEncoding }, signature)
}
