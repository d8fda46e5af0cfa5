import type { KeyObject } from 'node:crypto'
import { HmacKey } from '@weir/contracts'
import { decodeStrict } from './encodings.ts'
import { publicKeyOf, type PublicKeyKind } from './public-keys.ts'
import type { SecretEncoding, SignatureSpec } from './spec.ts'

/** A secret cannot be used. The message names its index in the list and the rule, never the secret. */
export class SecretError extends Error {
  override readonly name = 'SecretError'
}

export type VerificationKey = {
  /** Index in the list of secrets: the only name of a secret in logs and metrics. */
  readonly index: number
} & (
  | { readonly kind: 'hmac'; readonly key: HmacKey }
  /** `hash`: null if the algorithm includes one. */
  | { readonly kind: PublicKeyKind; readonly key: KeyObject; readonly hash: 'sha256' | 'sha1' | null }
)

/** More public keys than a rotation needs. Each may have to be tried for every signature that a stranger sends. */
const PUBLIC_KEYS_MAX = 4
const SYMMETRIC_PREFIX = 'whsec_'
const PUBLIC_PREFIX = 'whpk_'
const PEM_MARK = '-----BEGIN '

/** The bytes of a secret. Undefined if the text does not have the encoding, or if it is empty. */
export const secretBytes = (text: string, encoding: SecretEncoding): Buffer | undefined => {
  const bytes = decodeSecret(text, encoding)
  // Anyone can sign with an empty key.
  return bytes === undefined || bytes.length === 0 ? undefined : bytes
}

const decodeSecret = (text: string, encoding: SecretEncoding): Buffer | undefined => {
  switch (encoding) {
    case 'utf8':
      return Buffer.from(text)
    case 'hex':
    case 'base64':
      return decodeStrict(text, encoding)
    case 'whsec':
      return decodeStrict(
        padded(text.startsWith(SYMMETRIC_PREFIX) ? text.slice(SYMMETRIC_PREFIX.length) : text),
        'base64',
      )
  }
}

/** The libraries of Standard Webhooks accept base64 without padding too. */
const padded = (text: string): string => text.padEnd(4 * Math.ceil(text.length / 4), '=')

/**
 * Throws a `SecretError` for a secret that does not have the spec's encoding, is empty, or is not a key for the
 * algorithm.
 */
export const keysOf = (spec: SignatureSpec, secrets: readonly string[]): readonly VerificationKey[] => {
  const keys = secrets.map((secret, index) => keyOf(spec, secret, index))
  if (keys.filter(({ kind }) => kind !== 'hmac').length > PUBLIC_KEYS_MAX)
    throw new SecretError(`more than ${PUBLIC_KEYS_MAX} public keys`)
  return keys
}

const keyOf = (spec: SignatureSpec, secret: string, index: number): VerificationKey => {
  const isWhpk = spec.secretEncoding === 'whsec' && secret.startsWith(PUBLIC_PREFIX)
  if (spec.kind === 'hmac' && !isWhpk) {
    if (secret.includes(PEM_MARK))
      throw unusable(
        index,
        'is a key in PEM, but HMAC needs a shared secret, because anyone could sign with a public key',
      )
    const bytes = secretBytes(secret, spec.secretEncoding)
    if (bytes === undefined)
      throw unusable(index, `must be ${describeEncoding(spec.secretEncoding)} and not empty`)
    return { kind: 'hmac', index, key: new HmacKey(spec.algorithm, bytes) }
  }
  const kind = spec.kind === 'hmac' ? 'ed25519' : spec.kind
  const text = secret.startsWith(PUBLIC_PREFIX) ? secret.slice(PUBLIC_PREFIX.length) : secret
  try {
    const key = publicKeyOf(text, kind, spec.secretEncoding === 'hex' ? 'hex' : 'base64')
    return { kind, index, key, hash: hashOf(spec) }
  } catch (error) {
    throw unusable(index, (error as Error).message)
  }
}

const hashOf = (spec: SignatureSpec) =>
  spec.kind === 'rsa' ? spec.algorithm : spec.kind === 'ecdsa' ? 'sha256' : null

const unusable = (index: number, rule: string) => new SecretError(`secret ${index} ${rule}`)

const describeEncoding = (encoding: SecretEncoding): string =>
  ({ utf8: 'text', hex: 'hex', base64: 'base64', whsec: 'whsec_<base64>' })[encoding]
