import type { InteractionEvent } from '@weir/contracts'

/** Fields of the event that a mapping can fill, each with a text. */
export type MappedField =
  | 'channel'
  | 'direction'
  | 'customerIdentifier'
  | 'queue'
  | 'skill'
  | 'agentId'
  | 'message'
  | 'intent'
  | 'occurredAtOriginal'
  | 'declaredSchemaVersion'
  | 'dataActionId'
  | 'sessionId'
  | 'userId'

/** Where the parts of an event are in one kind of payload. */
export interface Mapping {
  readonly name: string
  readonly source: string
  /** Payloads of the source for which this path gives one of these values; absent: all the others. */
  readonly when?: { readonly path: string; readonly oneOf: readonly string[] }
  /** JSONPaths, tried in order. A part that none of them gives is null and named in `partsMissing`. */
  readonly paths: Partial<Record<MappedField, readonly string[]>>
  /** Parts that a payload may well lack: not named as missing. */
  readonly optional?: readonly MappedField[]
  readonly constants?: { readonly channel?: string; readonly customerType?: InteractionEvent['customerType'] }
}
