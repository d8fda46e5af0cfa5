import { createPublicKey, X509Certificate, type KeyObject } from 'node:crypto'
import { decodeStrict } from './encodings.ts'

export type PublicKeyKind = 'ed25519' | 'ecdsa' | 'rsa'

const ED25519_BYTES = 32
/** What comes before the 32 bytes of an ed25519 public key in DER (RFC 8410). */
const ED25519_DER = Buffer.from('302a300506032b6570032100', 'hex')
const RSA_BITS_MIN = 2_048
const PEM = /^-----BEGIN ([A-Z0-9 ]+)-----/

const WANTED: Readonly<Record<PublicKeyKind, string>> = {
  ed25519: `the ${ED25519_BYTES} bytes of an ed25519 public key, or the key in PEM or DER`,
  ecdsa: 'a public key or certificate of P-256, in PEM or as base64 of DER',
  rsa: `a public key or certificate of RSA with ${RSA_BITS_MIN} bits or more, in PEM or as base64 of DER`,
}

/** Throws a `RangeError` with the rule, and never the text. `encoding`: of a key that is not PEM. */
export const publicKeyOf = (text: string, kind: PublicKeyKind, encoding: 'base64' | 'hex'): KeyObject => {
  if (PEM.exec(text)?.[1]?.endsWith('PRIVATE KEY') === true) {
    throw new RangeError('is a private key: give the public one, and keep the private one from Weir')
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

const isOfKind = (key: KeyObject, kind: PublicKeyKind): boolean => {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  switch (kind) {
    case 'ed25519':
      return type === 'ed25519'
    case 'ecdsa':
      return type === 'ec' && details?.namedCurve === 'prime256v1'
    case 'rsa':
      return type === 'rsa' && (details?.modulusLength ?? 0) >= RSA_BITS_MIN
  }
}

const attempt = <T>(make: () => T): T | undefined => {
  try {
    return make()
  } catch {
    return undefined
  }
}
