import { timingSafeEqual, verify } from 'node:crypto'
import type { RequestHeaders } from './request-headers.ts'
import { keysOf, type VerificationKey } from './secrets.ts'
import { readEntries, type OfferedSignature } from './signature-entries.ts'
import { compileContent, type SignedParts } from './signed-content.ts'
import { isSignature, type SignatureSpec, type VerifierSpec } from './spec.ts'
import { specProblems } from './spec-problems.ts'
import { isFresh, parseTimestamp } from './timestamp.ts'

/** Why a signature does not hold; a closed list, as it is a metric's label. */
export type InvalidReason =
  | 'header_repeated'
  | 'malformed'
  | 'no_match'
  | 'id_missing'
  | 'timestamp_missing'
  | 'timestamp_malformed'
  | 'timestamp_outside_tolerance'

export type Verdict =
  /** `secret`: the place in the list of the first secret that matched. */
  | { readonly kind: 'valid'; readonly secret: number }
  | { readonly kind: 'missing' }
  | { readonly kind: 'invalid'; readonly reason: InvalidReason }

/** `now`: epoch ms. Never throws. */
export type Verifier = (headers: RequestHeaders, raw: Buffer, now: number) => Verdict

const MISSING: Verdict = { kind: 'missing' }
const invalid = (reason: InvalidReason): Verdict => ({ kind: 'invalid', reason })
/** Visible ASCII: an id is signed as the bytes of its text. */
const ID = /^[\x21-\x7e]{1,256}$/

/** The headers that may come only once, in lower case. */
export const signatureHeaders = (verifier: VerifierSpec): readonly string[] =>
  isSignature(verifier)
    ? [verifier.header, verifier.idHeader, verifier.timestamp?.header].filter((name) => name !== undefined)
    : []

/**
 * Checks signatures over the raw bytes, in constant time, against every secret: during a rotation the old and the new
 * one are both good, and so is a request signed with both. Throws a `SecretError` or `RangeError` when the spec or a
 * secret cannot be used.
 */
export const createVerifier = (spec: SignatureSpec, secrets: readonly string[]): Verifier => {
  const problems = specProblems(spec)
  if (problems.length > 0)
    throw new RangeError(problems.map(({ field, message }) => `${field}: ${message}`).join('; '))
  const keys = keysOf(spec, secrets)
  const content = compileContent(spec.content)
  const single = signatureHeaders(spec)
  const { timestamp: timing, idHeader } = spec
  return (headers, raw, now) => {
    const header = headers.get(spec.header)
    if (header === undefined && headers.count(spec.header) <= 1) return MISSING
    if (header === undefined || single.some((name) => headers.count(name) > 1))
      return invalid('header_repeated')
    const entries = readEntries(spec, header)
    if (entries === undefined) return invalid('malformed')
    const parts = { timestamp: '', id: '' }
    let sentAt: number | undefined
    if (timing !== undefined) {
      const text = timing.header === undefined ? entries.timestamp : headers.get(timing.header)
      if (text === undefined) return invalid('timestamp_missing')
      sentAt = parseTimestamp(text, timing.unit)
      if (sentAt === undefined) return invalid('timestamp_malformed')
      parts.timestamp = text
    }
    if (idHeader !== undefined) {
      const id = headers.get(idHeader)
      if (id === undefined || !ID.test(id)) return invalid('id_missing')
      parts.id = id
    }
    if (entries.signatures.length === 0) return invalid('malformed')
    const secret = firstMatch(keys, entries.signatures, signedText(content, parts), raw)
    if (secret < 0) return invalid('no_match')
    // Last, so that only authentic requests count as late.
    if (timing !== undefined && !isFresh(sentAt!, now, timing.toleranceSecs)) {
      return invalid('timestamp_outside_tolerance')
    }
    return { kind: 'valid', secret }
  }
}

interface SignedText {
  readonly before: Buffer
  readonly after: Buffer
}

const signedText = (content: ReturnType<typeof compileContent>, parts: SignedParts): SignedText => ({
  before: bytesOf(content.before(parts)),
  after: bytesOf(content.after(parts)),
})

const NOTHING = Buffer.alloc(0)
const bytesOf = (text: string): Buffer => (text === '' ? NOTHING : Buffer.from(text))

/** Every key meets every signature, whatever matched before: the time tells nothing. */
const firstMatch = (
  keys: readonly VerificationKey[],
  signatures: readonly OfferedSignature[],
  text: SignedText,
  raw: Buffer,
): number => {
  let matched = -1
  for (const key of keys) {
    if (!isMatch(key, signatures, text, raw)) continue
    if (matched < 0) matched = key.index
  }
  return matched
}

const isMatch = (
  verification: VerificationKey,
  signatures: readonly OfferedSignature[],
  { before, after }: SignedText,
  raw: Buffer,
): boolean => {
  const offered = signatures.filter(({ kind }) => kind === verification.kind)
  if (offered.length === 0) return false
  let isGood = false
  if (verification.kind === 'ed25519') {
    const message = Buffer.concat([before, raw, after])
    for (const { bytes } of offered) if (verify(null, message, verification.key, bytes)) isGood = true
    return isGood
  }
  const expected = Buffer.from(verification.key.digest(raw, before, after), 'latin1')
  for (const { bytes } of offered) if (timingSafeEqual(expected, bytes)) isGood = true
  return isGood
}
