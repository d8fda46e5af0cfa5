import { createPublicKey, type KeyObject } from 'node:crypto'
import { HmacKey } from '@weir/contracts'
import { decodeAny } from './encodings.ts'
import type { SecretEncoding, SignatureSpec } from './spec.ts'

/** A secret cannot be used. The message names its place in the list and the rule, never the secret. */
export class SecretError extends Error {
  override readonly name = 'SecretError'
}

export type VerificationKey = {
  /** Place in the list of secrets: the only name of a secret in logs and metrics. */
  readonly index: number
} & ({ readonly kind: 'hmac'; readonly key: HmacKey } | { readonly kind: 'ed25519'; readonly key: KeyObject })

const ED25519_BYTES = 32
/** What comes before the 32 bytes of an ed25519 public key in DER (RFC 8410). */
const ED25519_DER = Buffer.from('302a300506032b6570032100', 'hex')
const SYMMETRIC_PREFIX = 'whsec_'
const PUBLIC_PREFIX = 'whpk_'

/** The bytes of a secret's text; undefined when the text is not of the encoding, or there are none. */
export const secretBytes = (text: string, encoding: SecretEncoding): Buffer | undefined => {
  const bytes = decodeSecret(text, encoding)
  // Anybody can sign with an empty key.
  return bytes === undefined || bytes.length === 0 ? undefined : bytes
}

const decodeSecret = (text: string, encoding: SecretEncoding): Buffer | undefined => {
  switch (encoding) {
    case 'utf8':
      return Buffer.from(text)
    case 'hex':
    case 'base64':
      return decodeAny(text, encoding)
    case 'whsec':
      return decodeAny(
        text.startsWith(SYMMETRIC_PREFIX) ? text.slice(SYMMETRIC_PREFIX.length) : text,
        'base64',
      )
  }
}

/** Throws a `SecretError` for a secret that is not of the spec's encoding, is empty or is not a key of the algorithm. */
export const keysOf = (spec: SignatureSpec, secrets: readonly string[]): readonly VerificationKey[] =>
  secrets.map((secret, index) => {
    const isPublic =
      spec.kind === 'ed25519' || (spec.secretEncoding === 'whsec' && secret.startsWith(PUBLIC_PREFIX))
    if (!isPublic) {
      const bytes = secretBytes(secret, spec.secretEncoding)
      if (bytes === undefined)
        throw unusable(index, `must be ${describeEncoding(spec.secretEncoding)} and not empty`)
      return {
        kind: 'hmac',
        index,
        key: new HmacKey(spec.algorithm, bytes),
      }
    }
    const encoding = spec.secretEncoding === 'utf8' ? 'base64' : spec.secretEncoding
    const bytes = secretBytes(
      secret.startsWith(PUBLIC_PREFIX) ? secret.slice(PUBLIC_PREFIX.length) : secret,
      encoding,
    )
    if (bytes?.length !== ED25519_BYTES)
      throw unusable(index, `must be the ${ED25519_BYTES} bytes of an ed25519 public key`)
    return {
      kind: 'ed25519',
      index,
      key: createPublicKey({ key: Buffer.concat([ED25519_DER, bytes]), format: 'der', type: 'spki' }),
    }
  })

const unusable = (index: number, rule: string) => new SecretError(`secret ${index} ${rule}`)

const describeEncoding = (encoding: SecretEncoding): string =>
  ({ utf8: 'text', hex: 'hex', base64: 'base64', whsec: 'whsec_<base64>' })[encoding]
