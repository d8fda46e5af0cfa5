import type { DeadLetterReason } from '@weir/contracts'

export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue }
export type JsonObject = Readonly<Record<string, JsonValue>>

export type SourceName = 'cxone' | 'cognigy' | 'cxone-dataaction' | 'nice'

/** How a provider proves that a request is its own. */
export type VerifierSpec =
  | {
      readonly kind: 'hmac'
      /** Lower case. */
      readonly header: string
      readonly algorithm: 'sha256' | 'sha512'
      readonly encoding: 'hex' | 'base64'
      /** Text before the signature, such as `sha256=`. */
      readonly prefix: string
    }
  /** No signature: the peer's address must be in a CIDR list, and a bearer token must match where one is set. */
  | { readonly kind: 'address'; readonly tokenHeader: string }

/** What identifies one event of a source, taken from an authentic body. */
export interface Identity {
  readonly interactionId: string
  readonly eventType: string
  readonly dedupKey: string
  /** The part that was missing, when the key fell back to the next form. */
  readonly dedupKeyFallback?: string
  readonly sequence?: number
}

export interface IntakeProblem {
  readonly reason: DeadLetterReason
  /** Names the field or rule; never quotes the body. */
  readonly detail: string
  /** The provider's literal answer text for this problem, where CONTRACTS name one. */
  readonly answer?: string
}

export type Identified =
  | { readonly kind: 'identified'; readonly identity: Identity }
  | { readonly kind: 'problem'; readonly problem: IntakeProblem }

/** Everything that Weir knows of one source. */
export interface SourceDefinition {
  readonly name: SourceName
  /** All paths that deliver to it; `/webhooks/<name>` first. */
  readonly paths: readonly string[]
  readonly verifier: VerifierSpec
  /** Status of a request without, and with a wrong signature. */
  readonly statusMissing: number
  readonly statusInvalid: number
  /** The provider's own texts for the two. */
  readonly answerMissing: string
  readonly answerInvalid: string
  /** The JSON field that carries the text of a refusal; undefined: refusals have an empty body. */
  readonly answerField?: 'error' | 'detail'
  /** Default for authentic but malformed bodies: dead-lettered in both cases, then 200 or 400. */
  readonly onInvalid: 'accept-dlq' | 'reject-400'
  /** Total: never throws on any JSON value. `rawHash` (hex sha256 of the raw body) serves keys that need it. */
  readonly identify: (payload: JsonValue, rawHash: string) => Identified
}
