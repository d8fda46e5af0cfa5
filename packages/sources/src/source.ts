import type { DeadLetterReason } from '@weir/contracts'
import type { JsonObject, JsonValue } from '@weir/exact-json'
import type { CertificateSpec } from './certificate/certificate-spec.ts'
import type { ContentRules } from './content.ts'
import type { HandshakeName } from './handshakes/handshake.ts'
import type { JwtSpec } from './jwt/jwt-spec.ts'
import type { VerifierSpec } from './verifier/spec.ts'

export type { JsonObject, JsonValue }

/** The identity of one event of a source, read from an authentic body. */
export interface Identity {
  readonly interactionId: string
  readonly eventType: string
  readonly dedupKey: string
  /** The part that was missing, if an alternative replaced it in the key. */
  readonly dedupKeyFallback?: string
  readonly sequence?: bigint
}

export interface IntakeProblem {
  readonly reason: DeadLetterReason
  /** Names the field or rule and never quotes the body. */
  readonly detail: string
  /** The provider's literal response text for this problem, if it has one. */
  readonly answer?: string
}

export type Identified =
  | { readonly kind: 'identified'; readonly identity: Identity }
  | { readonly kind: 'problem'; readonly problem: IntakeProblem }

/** What keys may contain besides the payload. */
export interface RequestFacts {
  /** Hex SHA-256 of the raw body, or of the body without its volatile fields if the source has any. */
  bodyHash(): string
  /** The value of a header that occurs exactly once and is not empty. The name is in lower case. */
  header(name: string): string | undefined
  /** The number of occurrences, for the text of a problem. */
  headerCount?(name: string): number
  /** For an element of a batch: the body's value at a path outside the elements. */
  around?(path: readonly string[]): JsonValue | undefined
}

/** Which bodies are batches. Each element of the array is an event, like a body of its own. */
export interface SplitRule {
  /** Names that lead to the array. If empty, the body is the array. */
  readonly path: readonly string[]
  /** The largest number of elements in one body. */
  readonly itemsMax: number
  /** In lower case. Undefined if bodies of every media type are batches. */
  readonly mediaType?: string
}

/** How an event is identified, as template texts. See `KeyTemplate`. */
export interface KeyTexts {
  readonly entityKey: string
  readonly eventType: string
  readonly dedupKey: string
  /** Dotted path of a number that grows within an interaction. */
  readonly sequence?: string | undefined
}

/** Never throws, whatever the JSON value. The payload of an opaque body is null. */
export interface Identify {
  (payload: JsonValue, facts: RequestFacts): Identified
  /** The names of the `KeyFacts` that it reads. */
  readonly asks?: readonly string[]
}

export interface RateLimit {
  /** Sustained requests per second. */
  readonly perSec: number
  /** The number of requests that may arrive at once. */
  readonly burst: number
}

/** The limits of one source. Ingress' defaults replace what is not set. */
export interface SourceLimits {
  readonly bodyBytesMax?: number
  readonly requestBudgetMs?: number
  /** The number of authentic requests in progress at a time. */
  readonly concurrency?: number
  readonly rate?: RateLimit
}

/** How a source responds to what it refuses. */
export interface Refusals {
  /** Status for a request without a signature, and with a wrong one. */
  readonly statusMissing: number
  readonly statusInvalid: number
  readonly answerMissing: string
  readonly answerInvalid: string
  /** The text for a body that is not JSON. Undefined means the text of the problem. */
  readonly answerMalformed?: string
  /** The text for JSON with missing or wrong fields. Undefined means the text of the problem. */
  readonly answerStructure?: string
  /** The JSON field that carries the text of a refusal. Undefined if refusals have an empty body. */
  readonly answerField?: 'error' | 'detail'
}

export type RefusalProfile = 'weir' | 'cxone' | 'cxone-router' | 'cognigy' | 'cxone-dataaction' | 'nice'
export type AcceptedProfile = RefusalProfile | 'nice-accepted' | 'slack'

/** The definition of one source. */
export interface SourceDefinition extends Refusals, ContentRules {
  /** Lower-case letters, digits and `-`. It is a metric label and part of every event key. */
  readonly name: string
  /** The name of the preset that it starts from. */
  readonly preset: string
  /** All paths of the source. `/webhooks/<name>` comes first unless the sources file says otherwise. */
  readonly paths: readonly string[]
  readonly verifier: VerifierSpec
  /** Requests need such a token in addition to what the verifier requires. */
  readonly jwt?: JwtSpec
  /** A trusted proxy must report such a client certificate, in addition to what the verifier requires. */
  readonly clientCertificate?: CertificateSpec
  /** Unsigned requests are accepted too. A signature that is present must still be valid. */
  readonly unsigned: boolean
  /** Addresses and CIDR ranges that may send. Undefined means any address, or those in the environment. */
  readonly cidrs?: readonly string[]
  /** `opaque` bodies are not parsed. Their keys come only from headers and the body hash. */
  readonly body: 'json' | 'opaque'
  /** How the provider asks whether it may send. */
  readonly handshakes: readonly HandshakeName[]
  /** Origins that CloudEvents' handshake grants, in lower case. `*` grants all. */
  readonly origins: readonly string[]
  /** The path of the sequence number. Undefined if events have none. */
  readonly sequenceField?: string
  /** An event without a sequence number is malformed. */
  readonly requireSequence?: boolean
  /** Undefined if each body is one event. */
  readonly split?: SplitRule
  /** The response to authentic but malformed bodies. They become dead letters in both cases. */
  readonly onInvalid: 'accept-dlq' | 'reject-400'
  /** What unknown top-level fields cause: a new shape version, nothing, or a dead letter. */
  readonly unknownFields: 'evolve' | 'ignore' | 'reject'
  /** The known top-level fields. Only `reject` uses them. */
  readonly knownFields: readonly string[]
  /**
   * Dotted paths that differ between a delivery and its retry, such as attempt counters. They are not part of the body
   * hash.
   */
  readonly volatileFields: readonly string[]
  readonly accepted: AcceptedProfile
  readonly limits: SourceLimits
  /** How long after the event the provider may retry, according to its documents. */
  readonly retrySpanSecs?: number
  /** Dedup does not start with a shorter window. */
  readonly windowSecsMin?: number
  /** Find out which way of signing would have matched a refused request. */
  readonly shadow: boolean
  /**
   * Signed content that arrives under another dedup key becomes a dead letter, because the key can come from unsigned
   * data.
   */
  readonly guardsContent: boolean
  /**
   * The key settings of the sources file, if it has any. By them two processes can tell whether they identify events in
   * the same way.
   */
  readonly keyTexts?: Partial<KeyTexts>
  readonly identify: Identify
}
