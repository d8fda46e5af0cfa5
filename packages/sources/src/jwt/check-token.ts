import { createHash, timingSafeEqual } from 'node:crypto'
import { credentialsOf } from '@weir/contracts'
import { decodeProtectedHeader, errors, jwtVerify, type JWTPayload } from 'jose'
import type { RequestHeaders } from '../verifier/content/request-headers.ts'
import type { SignatureResult } from '../verifier/verifier.ts'
import type { JwtKey } from './jwt-keys.ts'
import type { JwtSpec } from './jwt-spec.ts'
import { KeysUnavailableError, type KeySource } from './remote-keys.ts'

export type TokenResult = SignatureResult | { readonly kind: 'unavailable'; readonly cause: string }

/** `now`: epoch ms. Never rejects because of what a request contains. */
export type TokenCheck = (headers: RequestHeaders, raw: Buffer, now: number) => Promise<TokenResult>

type Invalid = Extract<SignatureResult, { kind: 'invalid' }>

const HEADER = 'authorization'
const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/
const TOKEN_LENGTH_MAX = 8_192
const KID_LENGTH_MAX = 256
/** For one request and each set of keys. */
const CHECKS_MAX = 8

const invalid = (reason: Invalid['reason']): Invalid => ({ kind: 'invalid', reason })

/** The one bearer token, or why the request does not have exactly one. */
const tokenIn = (headers: RequestHeaders): string | Exclude<SignatureResult, { kind: 'valid' }> => {
  const header = headers.get(HEADER)
  if (header === undefined) {
    return headers.count(HEADER) <= 1 ? { kind: 'missing' } : invalid('header_repeated')
  }
  const token = header.length > TOKEN_LENGTH_MAX ? undefined : credentialsOf('bearer', header)
  return token !== undefined && JWT.test(token) ? token : invalid('malformed')
}

/** What is wrong with a request's token before any key is needed. Undefined if the token must be verified. */
export const tokenProblem = (headers: RequestHeaders): SignatureResult | undefined => {
  const token = tokenIn(headers)
  return typeof token === 'string' ? undefined : token
}

/** Checks bearer tokens. The signature comes first, so that a forger learns nothing about the claims. */
export const createTokenCheck =
  (spec: JwtSpec, source: KeySource): TokenCheck =>
  async (headers, raw, now) => {
    const token = tokenIn(headers)
    if (typeof token !== 'string') return token
    const named = namedBy(token)
    if (named === undefined) return invalid('malformed')
    if (!spec.algorithms.some((algorithm) => algorithm === named.alg)) return invalid('no_match')
    const check = (keys: readonly JwtKey[]) => matchOf({ spec, token, named, raw, now }, keys)
    try {
      const keys = await source.keys()
      const result = await check(keys)
      if (result.kind === 'valid' || result.reason !== 'no_match') return result
      const newer = await source.newer(keys)
      return newer === undefined ? result : await check(newer)
    } catch (error) {
      if (error instanceof KeysUnavailableError) return { kind: 'unavailable', cause: error.message }
      throw error
    }
  }

interface Named {
  readonly alg: string
  readonly kid: string | undefined
}

/** The algorithm and key that a token names. Undefined if the text is not a JWT. */
const namedBy = (token: string): Named | undefined => {
  try {
    const { alg, kid } = decodeProtectedHeader(token) as Readonly<Record<string, unknown>>
    if (typeof alg !== 'string') return undefined
    if (kid !== undefined && (typeof kid !== 'string' || kid.length > KID_LENGTH_MAX)) return undefined
    return { alg, kid }
  } catch {
    return undefined
  }
}

interface Offered {
  readonly spec: JwtSpec
  readonly token: string
  readonly named: Named
  readonly raw: Buffer
  readonly now: number
}

const matchOf = async (
  { spec, token, named, raw, now }: Offered,
  keys: readonly JwtKey[],
): Promise<Extract<SignatureResult, { kind: 'valid' }> | Invalid> => {
  const fitting = keys.filter(
    ({ algorithm, kid }) =>
      algorithm === named.alg && (kid === undefined || named.kid === undefined || kid === named.kid),
  )
  for (const { key, algorithm, index } of fitting.slice(0, CHECKS_MAX)) {
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: [algorithm],
        issuer: [...spec.issuers],
        audience: [...spec.audiences],
        clockTolerance: spec.toleranceSecs,
        currentDate: new Date(now),
        requiredClaims: ['exp'],
      })
      return hasClaims(spec, payload, raw) ? { kind: 'valid', secret: index } : invalid('claim_mismatch')
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) return invalid(reasonOf(error))
    }
  }
  return invalid('no_match')
}

const reasonOf = (error: unknown): Invalid['reason'] => {
  if (error instanceof errors.JWTExpired) return 'timestamp_outside_tolerance'
  if (error instanceof errors.JWTClaimValidationFailed) {
    return error.claim === 'nbf' && error.reason === 'check_failed'
      ? 'timestamp_outside_tolerance'
      : 'claim_mismatch'
  }
  if (error instanceof errors.JOSEError) return 'malformed'
  throw error
}

const hasClaims = ({ claims, bodyHashClaim }: JwtSpec, payload: JWTPayload, raw: Buffer): boolean =>
  Object.entries(claims).every(([name, values]) => values.some((value) => isOrHas(payload[name], value))) &&
  (bodyHashClaim === undefined || isHashOf(payload[bodyHashClaim], raw))

const isOrHas = (claim: unknown, value: string): boolean =>
  claim === value || (Array.isArray(claim) && claim.includes(value))

const HEX = /^[\da-f]{64}$/i
const BASE64 = /^(?:[\w-]{43}|[A-Za-z\d+/]{43})=?$/

const isHashOf = (claim: unknown, raw: Buffer): boolean => {
  if (typeof claim !== 'string' || !(HEX.test(claim) || BASE64.test(claim))) return false
  // Node decodes both alphabets of base64.
  const given = Buffer.from(claim, HEX.test(claim) ? 'hex' : 'base64')
  const expected = createHash('sha256').update(raw).digest()
  return given.length === expected.length && timingSafeEqual(given, expected)
}
