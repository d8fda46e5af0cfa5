import { createHash } from 'node:crypto'
import { deadLetterBody, HEADER, letterPlace, type DeadLetterKeys, type TopicRole } from '@weir/contracts'
import { InvalidEventError, UnknownSchemaError, type EventReader } from '@weir/event-codec'
import type { InputRecord } from '@weir/kafka'
import type { ObservedLetter, ObservedReturn } from '@weir/truth'

type Stage = ObservedLetter['stage']

/** Each stage with the topic of its letters and the one to which they return. */
export const STAGES = [
  ['dedup', 'dedupDlq', 'dedupReplay'],
  ['normalizer', 'normalizerDlq', 'normalizerReplay'],
  ['persistence', 'persistenceDlq', 'persistenceReplay'],
] as const satisfies readonly (readonly [Stage, TopicRole, TopicRole])[]

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
  async letter(stage: Stage, record: InputRecord): Promise<ObservedLetter> {
    const { partition, offset, headers } = record
    return {
      stage,
      ...(await this.#identity(stage, record, deadLetterBody(record, this.#keys))),
      place: letterPlace({ stage, partition, offset }),
      reason: headers[HEADER.dlqReason]?.toString() ?? '',
    }
  }

  async returned(stage: Stage, record: InputRecord): Promise<ObservedReturn> {
    const identity = await this.#identity(stage, record, record.value ?? Buffer.alloc(0))
    return { stage, ...identity, letter: replayedLetter(record) }
  }

  async #identity(stage: Stage, { headers }: InputRecord, body: Buffer) {
    return {
      source: headers[HEADER.source]?.toString() ?? '',
      eventKey: headers[HEADER.eventKey]?.toString('hex') ?? '',
      rawHash: sha256(stage === 'persistence' ? await this.#raw(body) : body),
    }
  }

  /** What persistence reads and gives up is the encoded event, and that holds the body. */
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
