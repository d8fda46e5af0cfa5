import registryClient from '@kafkajs/confluent-schema-registry'
import avsc from 'avsc'
import { LONG_TYPE } from './long-type.ts'
import { askRegistry, locate, type RegistryAnswer } from './registry-http.ts'
import { RegistryError, SchemaRefusedError, UnknownSchemaError } from './registry-errors.ts'
import {
  isMissing,
  registryTransport,
  UnexpectedAnswerError,
  type AskRegistry,
} from './registry-transport.ts'

/** The compatibility of every event subject: a new schema can read the records of older schemas. */
export const COMPATIBILITY = registryClient.COMPATIBILITY.BACKWARD

export interface RegistrySettings {
  /** Base URL of the Confluent-compatible API. It may contain a user and a password. */
  readonly registryUrl: string
}

/** A compiled Avro schema. */
export interface AvroType {
  /** Writes at `at`. Returns the end, or minus the number of bytes that are missing in the buffer. */
  encode(value: unknown, buffer: Buffer, at: number): number
  fromBuffer(bytes: Buffer): unknown
}

const TIMEOUT_MS = 10_000

const CODEC_OPTIONS = {
  [registryClient.SchemaType.AVRO]: {
    typeHook: (schema: unknown) => (schema === 'long' ? LONG_TYPE : undefined),
  },
}

/** A Confluent-compatible registry. Every method rejects with a `RegistryError` if no response arrives in time. */
export class Registry {
  readonly #ask: AskRegistry
  readonly #client: InstanceType<typeof registryClient.SchemaRegistry>

  constructor({ registryUrl }: RegistrySettings, timeoutMs = TIMEOUT_MS) {
    this.#ask = async (method, path, body) =>
      askRegistry(locate(registryUrl), { method, path, body, timeoutMs })
    // Only the transport knows the URL, which may contain a password.
    const client = { host: '', middlewares: [registryTransport(this.#ask)] }
    this.#client = new registryClient.SchemaRegistry(client, CODEC_OPTIONS)
  }

  /**
   * Sets the compatibility of the subject and registers the schema; returns its id, which is the same for an equal
   * schema. Rejects with a `SchemaRefusedError` (409, 422).
   */
  async register(subject: string, schema: object): Promise<number> {
    try {
      return await this.#register(subject, schema)
    } catch (error) {
      if (isOfLibrary(error, 'Compatibility')) {
        throw new RegistryError(
          `the compatibility of ${subject} is not ${COMPATIBILITY}, although it was set`,
        )
      }
      if (isOfLibrary(error, 'Argument')) throw refused(422, error)
      if (!(error instanceof UnexpectedAnswerError)) throw error
      const { status } = error.answer
      // Two instances that register at the same time may also get a 409.
      if (status === 409 && (await this.#isCompatible(subject, schema))) throw unanswered(error.answer)
      if (status === 409 || status === 422) throw refused(status)
      throw unanswered(error.answer)
    }
  }

  /** The library sets the compatibility of a new subject, and rejects a subject with a different one. */
  async #register(subject: string, schema: object): Promise<number> {
    const options = { subject, compatibility: COMPATIBILITY }
    try {
      return (await this.#client.register(avroSchema(schema), options)).id
    } catch (error) {
      if (!isOfLibrary(error, 'Compatibility')) throw error
    }
    await this.#setCompatibility(subject)
    return (await this.#client.register(avroSchema(schema), options)).id
  }

  /** The id of a schema that is registered under the subject; undefined if it is not registered. */
  async find(subject: string, schema: object): Promise<number | undefined> {
    try {
      return await this.#client.getRegistryIdBySchema(subject, avroSchema(schema))
    } catch (error) {
      // The library's error for a 404.
      if (isOfLibrary(error, '')) return undefined
      throw error instanceof UnexpectedAnswerError ? unanswered(error.answer) : error
    }
  }

  /** Fetched once. Rejects with an `UnknownSchemaError` if the registry has no such schema or it is not Avro. */
  async type(id: number): Promise<AvroType> {
    try {
      const type: unknown = await this.#client.getSchema(id)
      if (avsc.Type.isType(type)) return type as AvroType
    } catch (error) {
      if (error instanceof UnexpectedAnswerError) {
        if (!isMissing(error.answer)) throw unanswered(error.answer)
        throw new UnknownSchemaError(`the registry has no schema ${id}`, { cause: error })
      }
      if (!isOfLibrary(error, 'Argument')) throw error
      throw new UnknownSchemaError(`schema ${id} of the registry is not Avro`, { cause: error })
    }
    throw new UnknownSchemaError(`schema ${id} of the registry is not Avro`)
  }

  /** Decodes a value in the wire format. `type` must have fetched its schema. */
  decode(bytes: Buffer): Promise<unknown> {
    return this.#client.decode(bytes)
  }

  /** The version numbers of a subject, in order; empty if the subject does not exist. */
  async versions(subject: string): Promise<readonly number[]> {
    const answer = await this.#ask('GET', `/subjects/${encodeURIComponent(subject)}/versions`)
    if (isMissing(answer)) return []
    if (answer.status !== 200 || !Array.isArray(answer.body)) throw unanswered(answer)
    return answer.body as number[]
  }

  async #setCompatibility(subject: string): Promise<void> {
    const body = JSON.stringify({ compatibility: COMPATIBILITY })
    const answer = await this.#ask('PUT', `/config/${encodeURIComponent(subject)}`, body)
    if (answer.status !== 200) throw new UnexpectedAnswerError(answer)
  }

  async #isCompatible(subject: string, schema: object): Promise<boolean> {
    const path = `/compatibility/subjects/${encodeURIComponent(subject)}/versions/latest`
    const question = JSON.stringify({ schema: JSON.stringify(schema) })
    const { status, body } = await this.#ask('POST', path, question)
    const { is_compatible: isCompatible } = (body ?? {}) as { readonly is_compatible?: boolean }
    return status === 200 ? (isCompatible ?? true) : true
  }
}

const avroSchema = (schema: object) => ({
  type: registryClient.SchemaType.AVRO as const,
  schema: JSON.stringify(schema),
})

/** The library does not export the classes of its errors. */
const isOfLibrary = (error: unknown, kind: '' | 'Argument' | 'Compatibility'): error is Error =>
  error instanceof Error && error.name === `ConfluentSchemaRegistry${kind}Error`

const refused = (status: 409 | 422, cause?: unknown): SchemaRefusedError => {
  const why = status === 409 ? 'it is not compatible with what is registered' : 'it is invalid'
  return new SchemaRefusedError(`the schema registry refuses the event schema: ${why}`, { cause })
}

/** 409: two clients change the subject. The others end when the registry is up or its permissions are corrected. */
const RETRIABLE_STATUS = new Set([400, 401, 403, 404, 408, 409, 425, 429])

const HINTS: Readonly<Record<number, string>> = {
  200: ', but not like a registry: SCHEMA_REGISTRY_URL names another server, or the registry is still starting',
  401: ': correct the user or the password of SCHEMA_REGISTRY_URL',
  403: ': give the user of SCHEMA_REGISTRY_URL the right',
  404: ', but not like a registry: SCHEMA_REGISTRY_URL names another server, or the registry is still starting',
}

const unanswered = ({ status }: RegistryAnswer): RegistryError | SchemaRefusedError =>
  status === 200 || status >= 500 || RETRIABLE_STATUS.has(status)
    ? new RegistryError(`the schema registry answers ${status}${HINTS[status] ?? ''}`)
    : new SchemaRefusedError(
        `the schema registry answers ${status}, which no registry does: correct SCHEMA_REGISTRY_URL`,
      )
