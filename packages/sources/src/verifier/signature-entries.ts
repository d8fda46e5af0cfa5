import { decodeStrict } from './encodings.ts'
import { RSA_BYTES } from './public-keys.ts'
import type { RsaSpec, SignatureSpec } from './spec.ts'

/** One signature in a header. */
export interface OfferedSignature {
  readonly kind: SignatureSpec['kind']
  readonly bytes: Buffer
}

export interface SignatureEntries {
  readonly signatures: readonly OfferedSignature[]
  /** Only in a `pairs` header. */
  readonly timestamp?: string | undefined
}

/**
 * Limits for all entries of a header and for those that need a public key, because each check takes time and anyone can
 * send entries.
 */
const ENTRIES_MAX = 16
export const COSTLY_ENTRIES_MAX = 4
const ED25519_BYTES = 64
const P256_BYTES = 64
/** DER of two numbers of up to 33 bytes. */
const P256_DER_BYTES = { min: 8, max: 72 }
const DIGEST_BYTES = { sha1: 20, sha256: 32, sha512: 64 } as const

/** Describes the length of a signature. */
export const describeLength = (spec: SignatureSpec): string => {
  switch (spec.kind) {
    case 'hmac':
      return `${DIGEST_BYTES[spec.algorithm]} bytes`
    case 'ed25519':
      return `${ED25519_BYTES} bytes`
    case 'ecdsa':
      return `${P256_BYTES} bytes, or up to ${P256_DER_BYTES.max} in DER,`
    case 'rsa':
      return `${RSA_BYTES.min} bytes or more`
  }
}

const isLength = (spec: SignatureSpec, kind: OfferedSignature['kind'], length: number): boolean => {
  if (kind === 'hmac') return length === DIGEST_BYTES[(spec as { algorithm: RsaSpec['algorithm'] }).algorithm]
  if (kind === 'ed25519') return length === ED25519_BYTES
  const { min, max } = kind === 'rsa' ? RSA_BYTES : P256_DER_BYTES
  return length >= min && length <= max
}

/**
 * Everything in the header that could be the signature. Undefined if the header is malformed or has a second timestamp,
 * as two headers joined by a proxy do. White space around entries, entries with other labels, and unreadable entries
 * are ignored: one valid signature is enough, as in the providers' own libraries.
 */
export const readEntries = (spec: SignatureSpec, header: string): SignatureEntries | undefined => {
  switch (spec.form) {
    case 'single': {
      const bytes = decode(spec, spec.kind, header)
      return bytes && { signatures: [{ kind: spec.kind, bytes }] }
    }
    case 'list':
      return readLabelled(spec, header.split(' '), ',')
    case 'pairs':
      return readLabelled(spec, header.split(spec.separator ?? ','), '=')
  }
}

const readLabelled = (
  spec: SignatureSpec,
  pieces: readonly string[],
  separator: string,
): SignatureEntries | undefined => {
  const entries = pieces.filter((piece) => piece.trim() !== '')
  if (entries.length > ENTRIES_MAX) return undefined
  const signatures: OfferedSignature[] = []
  let timestamp: string | undefined
  for (const entry of entries) {
    const end = entry.indexOf(separator)
    if (end < 0) continue
    const label = entry.slice(0, end).trim()
    const value = entry.slice(end + 1).trim()
    if (label === spec.timestamp?.pair) {
      // With two timestamps it is unknown which one was signed.
      if (timestamp !== undefined) return undefined
      timestamp = value
      continue
    }
    const kind = kindOf(spec, label)
    if (kind === undefined) continue
    const bytes = decode(spec, kind, value)
    if (bytes !== undefined) signatures.push({ kind, bytes })
  }
  const costly = signatures.filter(({ kind }) => kind !== 'hmac').length
  return costly > COSTLY_ENTRIES_MAX ? undefined : { signatures, timestamp }
}

const kindOf = (spec: SignatureSpec, label: string): OfferedSignature['kind'] | undefined => {
  if (label === spec.label) return spec.kind
  return spec.kind === 'hmac' && label === spec.ed25519Label ? 'ed25519' : undefined
}

const decode = (spec: SignatureSpec, kind: OfferedSignature['kind'], text: string): Buffer | undefined => {
  if (!text.startsWith(spec.prefix)) return undefined
  const bytes = decodeStrict(text.slice(spec.prefix.length), spec.encoding)
  return bytes !== undefined && isLength(spec, kind, bytes.length) ? bytes : undefined
}
