import { createPublicKey, X509Certificate, type AsymmetricKeyDetails, type KeyObject } from 'node:crypto'
import { decodeStrict } from './encodings.ts'

export type PublicKeyKind = 'ed25519' | 'ecdsa' | 'rsa'

const ED25519_BYTES = 32
/** The DER prefix of a 32-byte ed25519 public key (RFC 8410). */
const ED25519_DER = Buffer.from('302a300506032b6570032100', 'hex')
/** The size of the modulus, and so of a signature. */
export const RSA_BYTES = { min: 256, max: 1_024 }
export const RSA_RULE = `RSA with ${8 * RSA_BYTES.min} to ${8 * RSA_BYTES.max} bits and an odd exponent above 1`
const PEM = /^-----BEGIN ([A-Z0-9 ]+)-----/

const WANTED: Readonly<Record<PublicKeyKind, string>> = {
  ed25519: `the ${ED25519_BYTES} bytes of an ed25519 public key, or the key in PEM or DER`,
  ecdsa: 'a public key or certificate of P-256, in PEM or as base64 of DER',
  rsa: `a public key or certificate of ${RSA_RULE}, in PEM or as base64 of DER`,
}

/** Throws a `RangeError` that states the rule and never quotes the text. `encoding`: of a key that is not PEM. */
export const publicKeyOf = (text: string, kind: PublicKeyKind, encoding: 'base64' | 'hex'): KeyObject => {
  if (PEM.exec(text)?.[1]?.endsWith('PRIVATE KEY') === true) {
    throw new RangeError('is a private key: give the public key, and never give Weir the private one')
  }
  const key = readKey(text, encoding)
  if (key === undefined || !isOfKind(key, kind)) throw new RangeError(`must be ${WANTED[kind]}`)
  return key
}

const readKey = (text: string, encoding: 'base64' | 'hex'): KeyObject | undefined => {
  if (PEM.test(text)) {
    const { publicKey } = PEM.exec(text)![1] === 'CERTIFICATE' ? (certificateOf(text) ?? {}) : {}
    return publicKey ?? attempt(() => createPublicKey(text))
  }
  const bytes = decodeStrict(text, encoding)
  if (bytes === undefined) return undefined
  const der = bytes.length === ED25519_BYTES ? Buffer.concat([ED25519_DER, bytes]) : bytes
  return (
    attempt(() => createPublicKey({ key: der, format: 'der', type: 'spki' })) ?? certificateOf(der)?.publicKey
  )
}

const certificateOf = (text: string | Buffer): X509Certificate | undefined =>
  attempt(() => new X509Certificate(text))

export const isOfKind = (key: KeyObject, kind: PublicKeyKind): boolean => {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  switch (kind) {
    case 'ed25519':
      return type === 'ed25519'
    case 'ecdsa':
      return type === 'ec' && details?.namedCurve === 'prime256v1'
    case 'rsa':
      return type === 'rsa' && isSafeRsa(details ?? {})
  }
}

/** With the exponent 1 a signature is the padded hash itself, which anyone can write. */
const isSafeRsa = ({ modulusLength = 0, publicExponent = 0n }: AsymmetricKeyDetails): boolean =>
  modulusLength >= 8 * RSA_BYTES.min &&
  modulusLength <= 8 * RSA_BYTES.max &&
  publicExponent > 1n &&
  publicExponent % 2n === 1n

const attempt = <T>(make: () => T): T | undefined => {
  try {
    return make()
  } catch {
    return undefined
  }
}
