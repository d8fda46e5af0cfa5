import type { HmacAlgorithm } from '@weir/contracts'

/** How a header encodes the bytes of a signature. */
export type SignatureEncoding = 'hex' | 'base64' | 'base64url'

/**
 * How the text of a secret becomes a key. `whsec` is Standard Webhooks' `whsec_<base64>` and, for ed25519,
 * `whpk_<base64>`. A public key may always be PEM, also as a certificate.
 */
export type SecretEncoding = 'utf8' | 'hex' | 'base64' | 'whsec'

export interface TimestampSpec {
  /** The header in lower case, or the key in a `pairs` header. */
  readonly header?: string
  readonly pair?: string
  readonly unit: 's' | 'ms' | 'iso'
  /** The largest accepted difference from the own clock, in either direction. */
  readonly toleranceSecs: number
}

interface SignatureLayout {
  /** Lower case. */
  readonly header: string
  readonly encoding: SignatureEncoding
  /** Text before the signature, such as `sha256=`. */
  readonly prefix: string
  /**
   * `single`: the header is the prefix and one signature. `list`: entries `label,signature` separated by spaces
   * (Standard Webhooks). `pairs`: entries `label=signature` with a separator (Stripe).
   */
  readonly form: 'single' | 'list' | 'pairs'
  /** For `pairs`. The default is a comma. */
  readonly separator?: ',' | ';'
  /** The label of the accepted entries in `list` and `pairs`. Others are ignored. */
  readonly label: string
  /** The signed content: a text with one of the body's fields and other signed fields. See `compileContent`. */
  readonly content: string
  /** The URL that the provider calls, for `{url}`: an origin, or with the path that the provider sees. */
  readonly publicUrl?: string
  readonly secretEncoding: SecretEncoding
  /** The header of `{id}`, in lower case. */
  readonly idHeader?: string
  readonly timestamp?: TimestampSpec
  /** SHA-1 is accepted only if this is set. */
  readonly allowSha1?: boolean
}

export interface HmacSpec extends SignatureLayout {
  readonly kind: 'hmac'
  readonly algorithm: HmacAlgorithm
  /** Entries of a `list` with this label are ed25519 signatures. Secrets that are public keys verify them. */
  readonly ed25519Label?: string
}

export interface Ed25519Spec extends SignatureLayout {
  readonly kind: 'ed25519'
}

/** ECDSA on P-256 with SHA-256. A signature is DER, or two 32-byte numbers. */
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
  /** ARNs of the topics whose messages are accepted. */
  readonly topics: readonly string[]
  /** `SignatureVersion` 1 is accepted only if this is set. */
  readonly allowSha1?: boolean
}

/** How a provider authenticates its requests. */
export type VerifierSpec =
  | SignatureSpec
  | SnsSpec
  /** No signature: the peer's address must be in a CIDR list, and a token must match if one is set. */
  | {
      readonly kind: 'address'
      readonly tokenHeader: string
      /** A token is sufficient from any address. */
      readonly tokenSuffices?: boolean
    }
  /** No authentication, by explicit choice of the operator. */
  | { readonly kind: 'none' }

const SIGNATURE_KINDS: ReadonlySet<VerifierSpec['kind']> = new Set(['hmac', 'ed25519', 'ecdsa', 'rsa'])

export const isSignature = (verifier: VerifierSpec): verifier is SignatureSpec =>
  SIGNATURE_KINDS.has(verifier.kind)

/** Tells whether requests are signed, so that the source has secrets. */
export const isSigned = (verifier: VerifierSpec): verifier is SignatureSpec | SnsSpec =>
  verifier.kind === 'sns' || isSignature(verifier)

/** The name of the signature algorithm. `sha256`, `sha512` and `sha1` are HMAC with that hash. */
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

/** HMAC-SHA256 over only the body, keyed with the text of the secret. Most providers sign this way. */
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
