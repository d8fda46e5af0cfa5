import registryClient from '@kafkajs/confluent-schema-registry'
import { INTERACTION_EVENT_SCHEMA, type InteractionEvent } from '@weir/contracts'

/** The registry does not answer, or does not know a schema that it must know: wait and ask again. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError'
}

/** Bytes that are not an event in the registry's wire format. */
export class InvalidEventError extends Error {
  override readonly name = 'InvalidEventError'
}

export interface RegistrySettings {
  /** Base URL of the Confluent-compatible API. */
  readonly registryUrl: string
}

interface AvroType {
  toBuffer(value: unknown): Buffer
  fromBuffer(bytes: Buffer): InteractionEvent
}

/** Confluent's wire format: a zero byte, the schema's id as int32, the Avro value. */
const MAGIC = 0
const HEADER_BYTES = 5

const connect = ({ registryUrl }: RegistrySettings) =>
  new registryClient.SchemaRegistry({ host: registryUrl, retry: { retries: 1 } })

const whileRegistryAnswers = async <T>(call: () => Promise<T>): Promise<T> => {
  try {
    return await call()
  } catch (error) {
    const { status } = error as { status?: number }
    throw new RegistryError(`the schema registry ${status ? `answers ${status}` : 'does not answer'}`, {
      cause: error,
    })
  }
}

/** Encodes events; synchronous, because its schema was registered before. */
export interface EventWriter {
  encode(event: InteractionEvent): Buffer
}

/** Registers the event schema for a topic's values, or finds it registered. Rejects with a `RegistryError`. */
export const openEventWriter = async (settings: RegistrySettings, topic: string): Promise<EventWriter> => {
  const registry = connect(settings)
  const { id, type } = await whileRegistryAnswers(async () => {
    const definition = {
      type: registryClient.SchemaType.AVRO as const,
      schema: JSON.stringify(INTERACTION_EVENT_SCHEMA),
    }
    const registered = await registry.register(definition, { subject: `${topic}-value` })
    return { id: registered.id, type: (await registry.getSchema(registered.id)) as unknown as AvroType }
  })
  const header = Buffer.alloc(HEADER_BYTES)
  header[0] = MAGIC
  header.writeInt32BE(id, 1)
  return { encode: (event) => Buffer.concat([header, type.toBuffer(event)]) }
}

/** Decodes events of any registered version, each schema fetched once. */
export class EventReader {
  readonly #registry: ReturnType<typeof connect>
  readonly #types = new Map<number, AvroType>()

  constructor(settings: RegistrySettings) {
    this.#registry = connect(settings)
  }

  /** Rejects with an `InvalidEventError`, or a `RegistryError` while the schema cannot be fetched. */
  async decode(bytes: Buffer): Promise<InteractionEvent> {
    if (bytes.length < HEADER_BYTES || bytes[0] !== MAGIC) throw new InvalidEventError('no registry header')
    const id = bytes.readInt32BE(1)
    const type = this.#types.get(id) ?? (await this.#fetch(id))
    try {
      return type.fromBuffer(bytes.subarray(HEADER_BYTES))
    } catch (error) {
      throw new InvalidEventError(`not an event of schema ${id}`, { cause: error })
    }
  }

  async #fetch(id: number): Promise<AvroType> {
    const type = await whileRegistryAnswers(
      async () => (await this.#registry.getSchema(id)) as unknown as AvroType,
    )
    this.#types.set(id, type)
    return type
  }
}
