import type { HmacAlgorithm } from '@weir/contracts'

/** How the bytes of a signature are written in a header. */
export type SignatureEncoding = 'hex' | 'base64' | 'base64url'

/** How the text of a secret becomes a key; `whsec`: Standard Webhooks' `whsec_<base64>` and, for ed25519, `whpk_<base64>`. */
export type SecretEncoding = 'utf8' | 'hex' | 'base64' | 'whsec'

export interface TimestampSpec {
  /** The header, in lower case, or the key of a `pairs` header. */
  readonly header?: string
  readonly pair?: string
  readonly unit: 's' | 'ms'
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
   * (Standard Webhooks). `pairs`: entries `label=signature` with commas between (Stripe).
   */
  readonly form: 'single' | 'list' | 'pairs'
  /** Which entries of `list` and `pairs` are taken; all others are ignored. */
  readonly label: string
  /** What is signed: a text with `{body}` once and, where they are signed, `{timestamp}` and `{id}`. */
  readonly content: string
  readonly secretEncoding: SecretEncoding
  /** The header of `{id}`, in lower case. */
  readonly idHeader?: string
  readonly timestamp?: TimestampSpec
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

export type SignatureSpec = HmacSpec | Ed25519Spec

/** How a provider proves that a request is its own. */
export type VerifierSpec =
  | SignatureSpec
  /** No signature: the peer's address must be in a CIDR list, and a token must match where one is set. */
  | { readonly kind: 'address'; readonly tokenHeader: string }
  /** No signature at all, by explicit choice of whoever runs this. */
  | { readonly kind: 'none' }

export const isSignature = (verifier: VerifierSpec): verifier is SignatureSpec =>
  verifier.kind === 'hmac' || verifier.kind === 'ed25519'

/** An HMAC-SHA256 over the body alone, keyed with the secret's text: what most providers do. */
export const hmacOverBody = (
  header: string,
  encoding: SignatureEncoding,
  rest: Partial<Omit<HmacSpec, 'kind'>> = {},
): HmacSpec => ({
  ...{ kind: 'hmac', header, encoding, algorithm: 'sha256', prefix: '', form: 'single', label: '' },
  ...{ content: '{body}', secretEncoding: 'utf8' },
  ...rest,
})
