import {
  eventFields,
  INTERACTION_EVENT_SCHEMA,
  OPTIONAL_FIELDS,
  type EventFieldName,
  type EventFieldType,
  type InteractionEvent,
} from '@weir/contracts'
import { RegistryError, UnknownSchemaError } from './registry-errors.ts'
import { Registry, type AvroType, type RegistrySettings } from './registry.ts'

/** Bytes that are not an event in the registry's wire format. */
export class InvalidEventError extends Error {
  override readonly name = 'InvalidEventError'
}

/** Confluent's wire format: a zero byte, the schema's id as int32, the Avro value. */
const MAGIC = 0
const HEADER_BYTES = 5

/** The subject of a topic's value schema. */
export const subjectOf = (topic: string): string => `${topic}-value`

/** Encodes events. Synchronous, because the schema has been registered. */
export interface EventWriter {
  readonly schemaId: number
  encode(event: InteractionEvent): Buffer
}

/**
 * Registers the event schema for the values of a topic, or only looks it up if registration is a step of the
 * deployment. Rejects with a `RegistryError`, or with a `SchemaRefusedError` if an operator must act.
 */
export const openEventWriter = async (
  settings: RegistrySettings & { readonly registerAtStart: boolean },
  topic: string,
): Promise<EventWriter> => {
  const registry = new Registry(settings)
  const subject = subjectOf(topic)
  const id = settings.registerAtStart
    ? await registry.register(subject, INTERACTION_EVENT_SCHEMA)
    : await registry.find(subject, INTERACTION_EVENT_SCHEMA)
  if (id === undefined) {
    throw new RegistryError(`the event schema is not registered as ${subject}: run \`weir schema register\``)
  }
  try {
    return eventWriter(id, await registry.type(id))
  } catch (error) {
    // The registry returned this id a moment ago, so the error is temporary.
    if (error instanceof UnknownSchemaError) throw new RegistryError(error.message, { cause: error })
    throw error
  }
}

const SCRATCH_BYTES = 65_536

/** Encodes into a buffer that grows with the largest event, and copies the result. */
export const eventWriter = (schemaId: number, type: AvroType): EventWriter => {
  let scratch = Buffer.alloc(SCRATCH_BYTES)
  const start = (): void => {
    scratch[0] = MAGIC
    scratch.writeInt32BE(schemaId, 1)
  }
  start()
  return {
    schemaId,
    encode: (event) => {
      let end = type.encode(event, scratch, HEADER_BYTES)
      if (end < 0) {
        scratch = Buffer.alloc(2 * (scratch.length - end))
        start()
        end = type.encode(event, scratch, HEADER_BYTES)
      }
      return Buffer.from(scratch.subarray(0, end))
    },
  }
}

const fieldsOf = (type: EventFieldType): readonly EventFieldName[] =>
  eventFields.flatMap(([name, field]) => (field.type === type ? [name] : []))
const MOMENTS = fieldsOf('moment')
const LONGS = fieldsOf('long')

/**
 * Avro decodes a long to a number where that is exact, and leaves out the fields that an older record does not have.
 */
const eventOf = (event: Record<string, unknown>): InteractionEvent => {
  if (MOMENTS.some((name) => typeof event[name] === 'bigint'))
    throw new RangeError('a time of more than 53 bits')
  for (const name of LONGS) if (typeof event[name] === 'number') event[name] = BigInt(event[name])
  for (const name of OPTIONAL_FIELDS) event[name] ??= null
  return event as unknown as InteractionEvent
}

/** Time after which an unknown schema is requested again. */
const UNKNOWN_MS = 30_000
const UNKNOWN_MAX = 1_000

/** Decodes events of any registered version. */
export class EventReader {
  readonly #registry: Registry
  /** Unknown schema ids and when each expires, so that many invalid records cost one request. */
  readonly #unknown = new Map<number, number>()

  constructor(settings: RegistrySettings) {
    this.#registry = new Registry(settings)
  }

  /**
   * Rejects with an `InvalidEventError`, with an `UnknownSchemaError` if the registry has no such schema, or with a
   * `RegistryError` while the registry does not respond.
   */
  async decode(bytes: Buffer): Promise<InteractionEvent> {
    if (bytes.length < HEADER_BYTES || bytes[0] !== MAGIC) throw new InvalidEventError('no registry header')
    const id = bytes.readInt32BE(1)
    await this.#requireSchema(id)
    try {
      return eventOf((await this.#registry.decode(bytes)) as Record<string, unknown>)
    } catch (error) {
      throw new InvalidEventError(`not an event of schema ${id}`, { cause: error })
    }
  }

  async #requireSchema(id: number): Promise<void> {
    const unknownUntil = this.#unknown.get(id)
    if (unknownUntil !== undefined && performance.now() < unknownUntil) {
      throw new UnknownSchemaError(`the registry has no schema ${id}`)
    }
    try {
      await this.#registry.type(id)
      this.#unknown.delete(id)
    } catch (error) {
      if (error instanceof UnknownSchemaError) {
        if (this.#unknown.size >= UNKNOWN_MAX) this.#unknown.clear()
        this.#unknown.set(id, performance.now() + UNKNOWN_MS)
      }
      throw error
    }
  }
}
