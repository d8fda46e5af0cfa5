import { decodeObservedShape, type InteractionEvent } from '@weir/contracts'
import { openTopicReader, type KafkaSettings, type TopicReader } from '@weir/kafka'
import type { Logger } from '@weir/service-kit'

/** The JSON text of null: how an attribute says that its field is known and was not there. */
const NULL_ATTRIBUTE = 'null'

const REFRESH_MS = 5_000
/** Of one event type; a storm of random fields fills no row. */
const FIELDS_MAX = 200

/**
 * The top-level fields that payloads of each event type have had, from the topic of observed shapes, read again every
 * few seconds. Rows of an older shape get nulls for the fields of the newer ones, so all rows have the same attributes.
 */
export class KnownFields {
  readonly #settings: KafkaSettings
  readonly #topic: string
  readonly #logger: Logger
  readonly #fields = new Map<string, Set<string>>()
  /** Of the shapes themselves: what each one has is not filled. */
  readonly #missing = new Map<string, readonly string[]>()
  readonly #shapes = new Map<string, { readonly type: string; readonly fields: ReadonlySet<string> }>()
  #reader: TopicReader | undefined
  #next: ReadonlyMap<number, bigint> | undefined
  #reading: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(settings: KafkaSettings, topic: string, logger: Logger) {
    this.#settings = settings
    this.#topic = topic
    this.#logger = logger
  }

  /** Rejects with a `RetriableError` when the topic cannot be read. */
  async ready(): Promise<void> {
    if (this.#next === undefined) await this.#refresh()
    this.#timer ??= setInterval(() => {
      this.#refresh().catch((error: unknown) => {
        this.#logger.warn({ error: (error as Error).message }, 'the observed shapes could not be read again')
      })
    }, REFRESH_MS)
  }

  /** The event with a null attribute for each known field that its payload's shape lacks. */
  fill(event: InteractionEvent): InteractionEvent {
    const missing = this.#missingOf(`${event.source}\0${event.eventType}`, event.schemaVersion)
    if (missing.length === 0) return event
    const attributes: Record<string, string> = Object.fromEntries(
      missing.map((name) => [name, NULL_ATTRIBUTE]),
    )
    return { ...event, attributes: { ...attributes, ...event.attributes } }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#reading?.catch(() => undefined)
    await this.#reader?.close()
  }

  /** Takes an observed shape: what `fill` knows from then on. */
  add(value: Buffer | null): void {
    const shape = decodeObservedShape(value)
    if (shape === undefined || shape.version === 0) return
    const type = `${shape.source}\0${shape.eventType}`
    const known = this.#fields.get(type) ?? new Set()
    for (const name of shape.fields) {
      if (known.size < FIELDS_MAX) known.add(name)
    }
    this.#fields.set(type, known)
    this.#shapes.set(`${type}\0${shape.fingerprint}`, { type, fields: new Set(shape.fields) })
    this.#missing.clear()
  }

  /** A shape that is not numbered yet is not filled: no event waits for that. */
  #missingOf(type: string, fingerprint: string): readonly string[] {
    const key = `${type}\0${fingerprint}`
    const found = this.#missing.get(key)
    if (found !== undefined) return found
    const shape = this.#shapes.get(key)
    const known = this.#fields.get(type)
    if (shape === undefined || known === undefined) return []
    const missing = [...known].filter((name) => !shape.fields.has(name))
    this.#missing.set(key, missing)
    return missing
  }

  async #refresh(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
    await this.#reading
  }

  async #read(): Promise<void> {
    this.#reader ??= await openTopicReader(this.#settings, this.#topic)
    this.#next = await this.#reader.readToEnd((records) => {
      for (const { value } of records) this.add(value)
    }, this.#next)
  }
}
