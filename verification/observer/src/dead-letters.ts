import { createHash } from 'node:crypto'
import {
  DEAD_LETTER_STAGES,
  deadLetterBody,
  HEADER,
  letterPlace,
  type DeadLetterKeys,
  type DeadLetterStage,
} from '@weir/contracts'
import { InvalidEventError, UnknownSchemaError, type EventReader } from '@weir/event-codec'
import type { InputRecord } from '@weir/kafka'
import type { ObservedLetter, ObservedReturn } from '@weir/truth'

/** Opens what the topics of dead letters and of replays hold. */
export class DeadLetterReader {
  readonly #events: EventReader
  readonly #keys: DeadLetterKeys | undefined

  /** `keys`: those of all letters that are sealed. */
  constructor(events: EventReader, keys: DeadLetterKeys | undefined) {
    this.#events = events
    this.#keys = keys
  }

  /** Rejects with a `SealedLetterError` when the letter's key was not given. */
  async letter(stage: DeadLetterStage, record: InputRecord): Promise<ObservedLetter> {
    const { partition, offset, headers } = record
    return {
      stage,
      ...(await this.#identity(stage, record, deadLetterBody(record, this.#keys))),
      place: letterPlace({ stage, partition, offset }),
      reason: headers[HEADER.dlqReason]?.toString() ?? '',
    }
  }

  async returned(stage: DeadLetterStage, record: InputRecord): Promise<ObservedReturn> {
    const identity = await this.#identity(stage, record, record.value ?? Buffer.alloc(0))
    return { stage, ...identity, letter: replayedLetter(record) }
  }

  async #identity(stage: DeadLetterStage, { headers }: InputRecord, body: Buffer) {
    return {
      source: headers[HEADER.source]?.toString() ?? '',
      eventKey: headers[HEADER.eventKey]?.toString('hex') ?? '',
      rawHash: sha256(DEAD_LETTER_STAGES[stage].holds === 'event' ? await this.#raw(body) : body),
    }
  }

  async #raw(encoded: Buffer): Promise<Buffer> {
    try {
      return (await this.#events.decode(encoded)).raw
    } catch (error) {
      if (error instanceof InvalidEventError || error instanceof UnknownSchemaError) return encoded
      throw error
    }
  }
}

/** The place of the letter of which a replay made the record. */
export const replayedLetter = ({ headers }: InputRecord): string => headers[HEADER.replayOf]?.toString() ?? ''

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
