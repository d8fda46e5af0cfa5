import { decodeObservedShape, type InteractionEvent } from '@weir/contracts'
import type { KafkaSettings } from '@weir/kafka'
import { TopicFollower, type Logger } from '@weir/runtime'
import type { RowEvent } from './row-sink.ts'

/** The attribute of a known field that the payload lacks: JSON's null. */
const NULL_ATTRIBUTE = 'null'

const REFRESH_MS = 5_000
/** Time until every instance knows a newly numbered shape, ms. */
export const KNOWN_MS = 3 * REFRESH_MS
/** Limit of known fields for each event type, so that random fields cannot fill the rows. */
const FIELDS_MAX = 200

/** The number and the null attributes that rows of one shape must have. */
export interface ShapeGaps {
  readonly source: string
  readonly eventType: string
  readonly fingerprint: string
  readonly number: number
  readonly missing: readonly string[]
}

interface KnownShape {
  readonly type: string
  readonly source: string
  readonly eventType: string
  readonly fingerprint: string
  readonly number: number
  readonly firstSeenAt: number
  readonly fields: ReadonlySet<string>
  /** False: the payload had too many paths, or its paths have not been reported yet. */
  readonly areFieldsKnown: boolean
}

/** Event types with new fields, and the time since which rows may lack them. */
export interface Growth {
  readonly types: ReadonlySet<string>
  /** Epoch ms on the brokers' clock. */
  readonly since: number
}

/**
 * The top-level fields of each event type so far, from the topic of observed shapes, which is read every few seconds. A
 * row gets a null for each field of its event type that its payload lacks, so that all rows have the same attributes.
 */
export class KnownFields {
  readonly #follower: TopicFollower
  readonly #logger: Logger
  readonly #fields = new Map<string, Set<string>>()
  /** Fields that each shape lacks. A cache of `#missingOf`. */
  readonly #missing = new Map<string, readonly string[]>()
  readonly #shapes = new Map<string, KnownShape>()
  #grown = { types: new Set<string>(), since: Infinity }
  readonly #onGrowth: (growth: Growth) => void

  /** `onGrowth` is called after each read that found new fields. */
  constructor(
    settings: KafkaSettings,
    topic: string,
    logger: Logger,
    onGrowth: (growth: Growth) => void = () => undefined,
  ) {
    this.#logger = logger
    this.#follower = new TopicFollower({
      settings,
      topic,
      onRecords: (records) => {
        for (const { value } of records) this.add(value)
      },
      onRead: () => this.#reportGrowth(),
    })
    this.#onGrowth = onGrowth
  }

  /** Rejects with a `RetriableError` if the topic cannot be read. */
  ready(): Promise<void> {
    return this.#follower.follow(REFRESH_MS, (error) =>
      this.#logger.warn({ error: error.message }, 'the observed shapes could not be refreshed'),
    )
  }

  /** The event with the number of its shape, and a null attribute for each known field that its shape lacks. */
  fill(event: InteractionEvent): RowEvent {
    const shape = this.#shapes.get(`${event.source}\0${event.eventType}\0${event.schemaVersion}`)
    // Events do not wait for the number of their shape. The row gets it later.
    if (shape === undefined) return event
    const missing = this.#missingOf(shape)
    const filled = { ...event, schemaVersionNumber: shape.number }
    if (missing.length === 0) return filled
    const attributes: Record<string, string> = Object.fromEntries(
      missing.map((name) => [name, NULL_ATTRIBUTE]),
    )
    return { ...filled, attributes: { ...attributes, ...event.attributes } }
  }

  /** The requirements of the rows of each wanted shape. */
  gaps(
    isWanted: (shape: { readonly source: string; readonly type: string }) => boolean,
  ): readonly ShapeGaps[] {
    return [...this.#shapes.values()].filter(isWanted).map((shape) => {
      const { source, eventType, fingerprint, number } = shape
      return { source, eventType, fingerprint, number, missing: this.#missingOf(shape) }
    })
  }

  /** Time at which the newest shape of a source first appeared, epoch ms on the brokers' clock; 0 if it has none. */
  newestAt(source: string): number {
    const own = [...this.#shapes.values()].filter((shape) => shape.source === source)
    return own.reduce((newest, { firstSeenAt }) => Math.max(newest, firstSeenAt), 0)
  }

  close(): Promise<void> {
    return this.#follower.close()
  }

  /** Adds an observed shape. */
  add(value: Buffer | null): void {
    const shape = decodeObservedShape(value)
    if (shape === undefined || shape.version === 0) return
    const { source, eventType, fingerprint, version: number, firstSeenAt } = shape
    const type = `${source}\0${eventType}`
    const known = this.#fields.get(type) ?? new Set()
    const size = known.size
    for (const name of shape.fields) {
      if (known.size < FIELDS_MAX) known.add(name)
    }
    const key = `${type}\0${fingerprint}`
    const fields = new Set(shape.fields)
    const areFieldsKnown = shape.paths.length > 0
    if (this.#shapes.get(key)?.areFieldsKnown === areFieldsKnown && known.size === size) return
    this.#fields.set(type, known)
    const facts = { type, source, eventType, fingerprint, number, firstSeenAt }
    this.#shapes.set(key, { ...facts, fields, areFieldsKnown })
    this.#missing.clear()
    this.#grown.types.add(type)
    this.#grown.since = Math.min(this.#grown.since, firstSeenAt)
  }

  #missingOf({ type, fingerprint, fields, areFieldsKnown }: KnownShape): readonly string[] {
    if (!areFieldsKnown) return []
    const key = `${type}\0${fingerprint}`
    const found = this.#missing.get(key)
    if (found !== undefined) return found
    const missing = [...(this.#fields.get(type) ?? [])].filter((name) => !fields.has(name))
    this.#missing.set(key, missing)
    return missing
  }

  /** Reads new shapes. Rejects with a `RetriableError` if the topic cannot be read. */
  refresh(): Promise<void> {
    return this.#follower.refresh()
  }

  #reportGrowth(): void {
    if (this.#grown.types.size === 0) return
    const grown = this.#grown
    this.#grown = { types: new Set(), since: Infinity }
    this.#onGrowth(grown)
  }
}
