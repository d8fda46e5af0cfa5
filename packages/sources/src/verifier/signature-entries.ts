import type { HmacAlgorithm } from '@weir/contracts'
import { decodeStrict } from './encodings.ts'
import type { SignatureSpec } from './spec.ts'

/** One signature that a header offers. */
export interface OfferedSignature {
  readonly kind: 'hmac' | 'ed25519'
  readonly bytes: Buffer
}

export interface SignatureEntries {
  readonly signatures: readonly OfferedSignature[]
  /** Of a `pairs` header. */
  readonly timestamp?: string | undefined
}

const ENTRIES_MAX = 16
const LABEL = /^\w{1,16}$/
const ED25519_BYTES = 64
const DIGEST_BYTES = { sha256: 32, sha512: 64 } as const satisfies Record<HmacAlgorithm, number>

export const signatureLength = (spec: SignatureSpec): number =>
  spec.kind === 'hmac' ? DIGEST_BYTES[spec.algorithm] : ED25519_BYTES

/**
 * Everything in the header that could be the signature; undefined when the header is not of the form. Strict: what a
 * proxy has joined from two headers is not of the form, and neither is an entry of ours that cannot be decoded.
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
      return readLabelled(spec, header.split(','), '=')
  }
}

const readLabelled = (
  spec: SignatureSpec,
  entries: readonly string[],
  separator: string,
): SignatureEntries | undefined => {
  if (entries.length > ENTRIES_MAX) return undefined
  const signatures: OfferedSignature[] = []
  let timestamp: string | undefined
  for (const entry of entries) {
    const end = entry.indexOf(separator)
    const label = entry.slice(0, end)
    const value = entry.slice(end + 1)
    if (end < 0 || !LABEL.test(label)) return undefined
    if (label === spec.timestamp?.pair) {
      // Two times leave open which one was signed.
      if (timestamp !== undefined) return undefined
      timestamp = value
      continue
    }
    const kind = kindOf(spec, label)
    if (kind === undefined) continue
    const bytes = decode(spec, kind, value)
    if (bytes === undefined) return undefined
    signatures.push({ kind, bytes })
  }
  return { signatures, timestamp }
}

const kindOf = (spec: SignatureSpec, label: string): OfferedSignature['kind'] | undefined => {
  if (label === spec.label) return spec.kind
  return spec.kind === 'hmac' && label === spec.ed25519Label ? 'ed25519' : undefined
}

const decode = (spec: SignatureSpec, kind: OfferedSignature['kind'], text: string): Buffer | undefined => {
  if (!text.startsWith(spec.prefix)) return undefined
  const length = kind === 'ed25519' ? ED25519_BYTES : signatureLength(spec)
  return decodeStrict(text.slice(spec.prefix.length), spec.encoding, length)
}
