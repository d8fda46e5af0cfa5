import type { DeadLetterReason } from '@weir/contracts'
import type { JsonObject, JsonValue } from '@weir/exact-json'
import type { CertificateSpec } from './certificate/certificate-spec.ts'
import type { ContentRules } from './content.ts'
import type { HandshakeName } from './handshakes/handshake.ts'
import type { JwtSpec } from './jwt/jwt-spec.ts'
import type { VerifierSpec } from './verifier/spec.ts'

export type { JsonObject, JsonValue }

/** The sources that are there without a sources file. */
export type SourceName = 'cxone' | 'cognigy' | 'cxone-dataaction' | 'nice'

export type PresetName =
  | SourceName
  | 'nice-expert'
  | 'standard-webhooks'
  | 'github'
  | 'stripe'
  | 'slack'
  | 'shopify'
  | 'zendesk'
  | 'sendgrid'
  | 'twilio'
  | 'pagerduty'
  | 'sns'
  | 'svix'
  | 'hubspot'
  | 'genesys-open-messaging'
  | 'zoom'
  | 'meta'
  | 'event-grid'
  | 'cloudevents'
  | 'custom'

/** What identifies one event of a source, taken from an authentic body. */
export interface Identity {
  readonly interactionId: string
  readonly eventType: string
  readonly dedupKey: string
  /** The part that was missing, when the key fell back to the next form. */
  readonly dedupKeyFallback?: string
  readonly sequence?: bigint
}

export interface IntakeProblem {
  readonly reason: DeadLetterReason
  /** Names the field or rule; never quotes the body. */
  readonly detail: string
  /** The provider's literal answer text for this problem, where it has one. */
  readonly answer?: string
}

export type Identified =
  | { readonly kind: 'identified'; readonly identity: Identity }
  | { readonly kind: 'problem'; readonly problem: IntakeProblem }

/** What keys may be made of besides the payload. */
export interface RequestFacts {
  /** Hex sha256 of the raw body, or of the body less its volatile fields where the source has any. */
  bodyHash(): string
  /** A header that came once and is not empty, by its lower-case name. */
  header(name: string): string | undefined
  /** How often it came, for the text of a problem. */
  headerCount?(name: string): number
  /** Of an element of a batch: what the body has at a path outside of its elements. */
  around?(path: readonly string[]): JsonValue | undefined
}

/** Which bodies are batches: each element of an array is an event, as if it were a body of its own. */
export interface SplitRule {
  /** Names that lead to the array; none: the body is the array. */
  readonly path: readonly string[]
  /** Most elements of one body. */
  readonly itemsMax: number
  /** In lower case; undefined: bodies of all media types are batches. */
  readonly mediaType?: string
}

/** How an event is identified, as texts; see `KeyTemplate`. */
export interface KeyTexts {
  readonly entityKey: string
  readonly eventType: string
  readonly dedupKey: string
  /** Dotted path of a number that grows within an interaction. */
  readonly sequence?: string | undefined
}

/** Total: never throws on any JSON value. An opaque body's payload is null. */
export interface Identify {
  (payload: JsonValue, facts: RequestFacts): Identified
  /** Names of the `KeyFacts` that it asks for. */
  readonly asks?: readonly string[]
}

export interface RateLimit {
  /** Requests per second in the long run. */
  readonly perSec: number
  /** Requests that may come at once. */
  readonly burst: number
}

/** Bounds of one source; what is not set is ingress' own default. */
export interface SourceLimits {
  readonly bodyBytesMax?: number
  readonly requestBudgetMs?: number
  /** Authentic requests that may be under way at a time. */
  readonly concurrency?: number
  readonly rate?: RateLimit
}

/** How a source answers what it refuses. */
export interface Refusals {
  /** Status of a request without, and with a wrong signature. */
  readonly statusMissing: number
  readonly statusInvalid: number
  readonly answerMissing: string
  readonly answerInvalid: string
  /** The text for a body that is not JSON; undefined: the problem's own. */
  readonly answerMalformed?: string
  /** The text for JSON with missing or wrong fields; undefined: the problem's own. */
  readonly answerStructure?: string
  /** The JSON field that carries the text of a refusal; undefined: refusals have an empty body. */
  readonly answerField?: 'error' | 'detail'
}

export type RefusalProfile = 'weir' | 'cxone' | 'cxone-router' | 'cognigy' | 'cxone-dataaction' | 'nice'
export type AcceptedProfile = RefusalProfile | 'nice-accepted' | 'slack'

/** Everything that Weir knows of one source. */
export interface SourceDefinition extends Refusals, ContentRules {
  /** Lower case letters, digits and `-`: label of metrics, part of every event key. */
  readonly name: string
  readonly preset: PresetName
  /** All paths that deliver to it; `/webhooks/<name>` first unless the sources file says otherwise. */
  readonly paths: readonly string[]
  readonly verifier: VerifierSpec
  /** Requests must have such a token in addition to what the verifier requires. */
  readonly jwt?: JwtSpec
  /** A trusted proxy must have seen such a client certificate, in addition to what the verifier requires. */
  readonly clientCertificate?: CertificateSpec
  /** Requests without a signature are taken as well; those with one must still be good. */
  readonly unsigned: boolean
  /** Addresses and CIDR ranges that may call; undefined: any, or those of the environment. */
  readonly cidrs?: readonly string[]
  /** `opaque` bodies are not parsed: keys come from headers and the body's hash alone. */
  readonly body: 'json' | 'opaque'
  /** How its provider asks whether it may send. */
  readonly handshakes: readonly HandshakeName[]
  /** Origins that CloudEvents' handshake grants, in lower case; `*`: all. */
  readonly origins: readonly string[]
  /** Where events have their sequence number; undefined: nowhere. */
  readonly sequenceField?: string
  /** An event without it is malformed. */
  readonly requireSequence?: boolean
  /** Undefined: each body is one event. */
  readonly split?: SplitRule
  /** Default for authentic but malformed bodies: dead-lettered in both cases, then 200 or 400. */
  readonly onInvalid: 'accept-dlq' | 'reject-400'
  /** What becomes of top-level fields that are not known: new shape versions, nothing, or a dead letter. */
  readonly unknownFields: 'evolve' | 'ignore' | 'reject'
  /** The known top-level fields; used by `reject` alone. */
  readonly knownFields: readonly string[]
  /** Dotted paths that differ between a delivery and its retry (attempt counters, sent-at): not part of the body's hash. */
  readonly volatileFields: readonly string[]
  readonly accepted: AcceptedProfile
  readonly limits: SourceLimits
  /** How long after the event the provider may still retry, as it documents it. */
  readonly retrySpanSecs?: number
  /** Dedup does not start with a shorter window. */
  readonly windowSecsMin?: number
  /** Find out which way of signing a refused request would have matched. */
  readonly shadow: boolean
  /** Signed content that comes under another dedup key is a letter: the key can come from what is not signed. */
  readonly guardsContent: boolean
  /** What the sources file says of the keys, where it does: with it two processes can tell whether they identify alike. */
  readonly keyTexts?: Partial<KeyTexts>
  readonly identify: Identify
}
