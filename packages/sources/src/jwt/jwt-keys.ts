import { createPublicKey, createSecretKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import { secretsOf } from '../access/source-settings.ts'
import { isOfKind, publicKeyOf, RSA_RULE } from '../verifier/public-keys.ts'
import type { JwtAlgorithm } from './jwt-spec.ts'

/** A key with the single algorithm that it is for, so that a public key is never used as a shared secret. */
export interface JwtKey {
  /** Index in the list of keys. */
  readonly index: number
  /** Undefined if the key has no name. Tokens that name a key are then tried with it. */
  readonly kid?: string
  readonly algorithm: JwtAlgorithm
  readonly key: KeyObject
}

const KEYS_MAX = 100
/** The byte order mark that editors and servers write before JSON. */
const MARK = /^\uFEFF/
const PLAIN_KEYS_MAX = 4
const SHARED_BYTES_MIN = 32

/**
 * The keys of a setting: a JWKS, public keys in PEM, or shared secrets. Throws a `RangeError` that states the rule and
 * never quotes the text.
 */
export const jwtKeysOf = (
  setting: { readonly text: string; readonly file?: string },
  algorithms: readonly JwtAlgorithm[],
): readonly JwtKey[] => {
  if (setting.text.trimStart().startsWith('{')) return keysOfJwks(setting.text, algorithms)
  const texts = secretsOf(setting)
  if (texts.length > PLAIN_KEYS_MAX) throw new RangeError(`more than ${PLAIN_KEYS_MAX} keys`)
  return texts.map((text, index) => ({ index, ...plainKey(text, index, algorithms) }))
}

const plainKey = (text: string, index: number, algorithms: readonly JwtAlgorithm[]) => {
  if (algorithms.includes('HS256')) {
    if (text.startsWith('-----BEGIN ')) {
      throw new RangeError(
        `key ${index} is a key in PEM, but HS256 needs a shared secret, because anyone could sign with a public key`,
      )
    }
    const bytes = Buffer.from(text)
    if (bytes.length < SHARED_BYTES_MIN) {
      throw new RangeError(
        `key ${index} has ${bytes.length} bytes, but HS256 needs at least ${SHARED_BYTES_MIN}`,
      )
    }
    return { algorithm: 'HS256', key: createSecretKey(bytes) } as const
  }
  let cause = ''
  for (const algorithm of algorithms) {
    try {
      return { algorithm, key: publicKeyOf(text, algorithm === 'RS256' ? 'rsa' : 'ecdsa', 'base64') }
    } catch (error) {
      cause = (error as Error).message
    }
  }
  throw new RangeError(`key ${index} ${cause}`)
}

/** The usable keys of a JWKS. Others are skipped, because providers publish keys for other purposes too. */
export const keysOfJwks = (text: string, algorithms: readonly JwtAlgorithm[]): readonly JwtKey[] => {
  let list: unknown
  try {
    list = (JSON.parse(text.replace(MARK, '')) as { keys?: unknown } | null)?.keys
  } catch {
    throw new RangeError('is not JSON')
  }
  if (!Array.isArray(list)) throw new RangeError('is not a JWKS, because it has no array `keys`')
  if (list.length > KEYS_MAX) throw new RangeError(`has more than ${KEYS_MAX} keys`)
  const keys = list.flatMap((jwk: unknown, index) => {
    const found = keyOfJwk(jwk, algorithms)
    return found === undefined ? [] : [{ index, ...found }]
  })
  if (keys.length > 0) return keys
  throw new RangeError(
    `none of its ${list.length} keys can be used for ${algorithms.join(' or ')}: give public keys, of P-256 or of ${RSA_RULE}`,
  )
}

const keyOfJwk = (jwk: unknown, algorithms: readonly JwtAlgorithm[]): Omit<JwtKey, 'index'> | undefined => {
  if (typeof jwk !== 'object' || jwk === null) return undefined
  const { kid, use, alg, key_ops: uses } = jwk as Readonly<Record<string, unknown>>
  if (kid !== undefined && typeof kid !== 'string') return undefined
  if ((use ?? 'sig') !== 'sig' || (Array.isArray(uses) && !uses.includes('verify'))) return undefined
  const found = importJwk(jwk as JsonWebKey)
  if (found === undefined || !algorithms.includes(found.algorithm)) return undefined
  if (alg !== undefined && alg !== found.algorithm) return undefined
  return { ...found, ...(kid !== undefined && { kid }) }
}

const importJwk = (jwk: JsonWebKey): Pick<JwtKey, 'algorithm' | 'key'> | undefined => {
  if (jwk.kty === 'oct') {
    const bytes = Buffer.from(typeof jwk.k === 'string' ? jwk.k : '', 'base64url')
    return bytes.length < SHARED_BYTES_MIN ? undefined : { algorithm: 'HS256', key: createSecretKey(bytes) }
  }
  // A published private key proves nothing.
  if (jwk.d !== undefined) return undefined
  try {
    const key = createPublicKey({ key: jwk, format: 'jwk' })
    if (isOfKind(key, 'rsa')) return { algorithm: 'RS256', key }
    if (isOfKind(key, 'ecdsa')) return { algorithm: 'ES256', key }
  } catch {
    // The key is damaged or of an unknown type.
  }
  return undefined
}
