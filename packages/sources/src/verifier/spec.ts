import type { HmacAlgorithm } from '@weir/contracts'

/** How the bytes of a signature are written in a header. */
export type SignatureEncoding = 'hex' | 'base64' | 'base64url'

/**
 * How the text of a secret becomes a key; `whsec`: Standard Webhooks' `whsec_<base64>` and, for ed25519, `whpk_<base64>`.
 * A public key may always be PEM, a certificate's too.
 */
export type SecretEncoding = 'utf8' | 'hex' | 'base64' | 'whsec'

export interface TimestampSpec {
  /** The header, in lower case, or the key of a `pairs` header. */
  readonly header?: string
  readonly pair?: string
  readonly unit: 's' | 'ms' | 'iso'
  /** The farthest that it may be from the own clock, either way. */
  readonly toleranceSecs: number
}

interface SignatureLayout {
  /** Lower case. */
  readonly header: string
  readonly encoding: SignatureEncoding
  /** Text before the signature, such as `sha256=`. */
  readonly prefix: string
  /**
   * `single`: the header is the prefix and one signature. `list`: entries `label,signature` with spaces between
   * (Standard Webhooks). `pairs`: entries `label=signature` with the separator between (Stripe).
   */
  readonly form: 'single' | 'list' | 'pairs'
  /** Of `pairs`; a comma where none is named. */
  readonly separator?: ',' | ';'
  /** Which entries of `list` and `pairs` are taken; all others are ignored. */
  readonly label: string
  /** What is signed: a text with one of the body's fields and, where they are signed, others; see `compileContent`. */
  readonly content: string
  /** The address that the provider calls, for `{url}`: an origin, or with the path that the provider sees. */
  readonly publicUrl?: string
  readonly secretEncoding: SecretEncoding
  /** The header of `{id}`, in lower case. */
  readonly idHeader?: string
  readonly timestamp?: TimestampSpec
  /** SHA-1 is taken only where this says so. */
  readonly allowSha1?: boolean
}

export interface HmacSpec extends SignatureLayout {
  readonly kind: 'hmac'
  readonly algorithm: HmacAlgorithm
  /** Entries of a `list` with this label are ed25519 signatures; the secrets that are public keys check them. */
  readonly ed25519Label?: string
}

export interface Ed25519Spec extends SignatureLayout {
  readonly kind: 'ed25519'
}

/** ECDSA on P-256 with SHA-256; a signature is DER, or its two numbers of 32 bytes. */
export interface EcdsaSpec extends SignatureLayout {
  readonly kind: 'ecdsa'
}

/** RSASSA-PKCS1-v1_5. */
export interface RsaSpec extends SignatureLayout {
  readonly kind: 'rsa'
  readonly algorithm: 'sha256' | 'sha1'
}

export type SignatureSpec = HmacSpec | Ed25519Spec | EcdsaSpec | RsaSpec

/** Amazon SNS, whose signature is in the body. */
export interface SnsSpec {
  readonly kind: 'sns'
  /** ARNs of the topics whose messages are taken. */
  readonly topics: readonly string[]
  /** `SignatureVersion` 1 is taken only where this says so. */
  readonly allowSha1?: boolean
}

/** How a provider proves that a request is its own. */
export type VerifierSpec =
  | SignatureSpec
  | SnsSpec
  /** No signature: the peer's address must be in a CIDR list, and a token must match where one is set. */
  | {
      readonly kind: 'address'
      readonly tokenHeader: string
      /** A token is proof enough, from any address. */
      readonly tokenSuffices?: boolean
    }
  /** No signature at all, by explicit choice of whoever runs this. */
  | { readonly kind: 'none' }

const SIGNATURE_KINDS: ReadonlySet<VerifierSpec['kind']> = new Set(['hmac', 'ed25519', 'ecdsa', 'rsa'])

export const isSignature = (verifier: VerifierSpec): verifier is SignatureSpec =>
  SIGNATURE_KINDS.has(verifier.kind)

/** Whether requests are signed, so that the source has secrets. */
export const isSigned = (verifier: VerifierSpec): verifier is SignatureSpec | SnsSpec =>
  verifier.kind === 'sns' || isSignature(verifier)

/** The one name of what signs: `sha256`, `sha512` and `sha1` are HMAC with it. */
export type AlgorithmName = HmacAlgorithm | 'ed25519' | 'ecdsa-p256' | 'rsa-sha256' | 'rsa-sha1'

export const algorithmName = (spec: SignatureSpec): AlgorithmName => {
  switch (spec.kind) {
    case 'hmac':
      return spec.algorithm
    case 'ed25519':
      return 'ed25519'
    case 'ecdsa':
      return 'ecdsa-p256'
    case 'rsa':
      return `rsa-${spec.algorithm}`
  }
}

/** An HMAC-SHA256 over the body alone, keyed with the secret's text: what most providers do. */
export const hmacOverBody = (
  header: string,
  encoding: SignatureEncoding,
  rest: Partial<Omit<HmacSpec, 'kind'>> = {},
): HmacSpec => ({
  kind: 'hmac',
  header,
  encoding,
  algorithm: 'sha256',
  prefix: '',
  form: 'single',
  label: '',
  content: '{body}',
  secretEncoding: 'utf8',
  ...rest,
})
