import { bodyFormText, isMoment, type InteractionEvent } from '@weir/contracts'
import { deadLetter, ok, type Outcome } from '@weir/runtime'
import { NO_RULES, type CompiledRules } from '../mappings/compile-rules.ts'
import type { Mapper } from '../mappings/mapper.ts'
import { momentOf } from '../occurred-at.ts'
import type { Shape } from '../schemas/shape.ts'
import type { RecognisedWebhook } from './recognise-payload.ts'

/** An event without its time of writing and its fix-up, which are set in place because a copy would cost too much. */
export type MappedEvent = Omit<InteractionEvent, 'processedAt' | 'fixUp'> & {
  processedAt: number
  fixUp: string | null
}

export interface NormalizedWebhook {
  readonly event: MappedEvent
  readonly shape: Shape
  /** Number of unknown fields that only the raw bytes keep. */
  readonly leftOut: number
}

/** Tolerates any payload. A missing part is null and listed, and an unmapped field becomes an attribute. */
export const createMapEventStep = (mapper: Mapper, rules: ReadonlyMap<string, CompiledRules>) =>
  function mapEvent({ webhook, payload, compiled, shape }: RecognisedWebhook): Outcome<NormalizedWebhook> {
    const { source, providerSequence, receivedAt } = webhook
    if (!isMoment(receivedAt)) {
      return deadLetter('record_invalid', 'the header received-at is not a moment')
    }
    const { unknownFields, supports, zone } = rules.get(source) ?? NO_RULES
    const { parts, partsMissing, attributes, leftOut } = mapper.map(
      compiled,
      payload,
      unknownFields !== 'ignore',
    )
    const { occurredAtOriginal, declaredSchemaVersion: declared } = parts
    if (declared !== null && !supports(declared)) {
      return deadLetter('unsupported_schema_version', 'the source does not list the declared version')
    }
    const occurred = occurredAtOriginal === null ? undefined : momentOf(occurredAtOriginal, zone)
    const event = {
      ...parts,
      eventKey: webhook.eventKey.toString('hex'),
      source,
      eventType: webhook.eventType,
      interactionId: webhook.interactionId,
      sequence: providerSequence ?? null,
      occurredAt: occurred?.epochMs ?? null,
      occurredAtNanos: occurred?.nanosOfMs ?? null,
      receivedAt,
      processedAt: 0,
      schemaVersion: shape.fingerprint,
      attributes,
      partsMissing,
      bodyHash: webhook.bodyHash,
      fixUp: null,
      raw: webhook.raw,
      bodyForm: webhook.bodyForm === undefined ? null : bodyFormText(webhook.bodyForm),
    }
    return ok({ event, shape, leftOut })
  }
