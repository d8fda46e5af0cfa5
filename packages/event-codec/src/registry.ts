import registryClient from '@kafkajs/confluent-schema-registry'
import { LONG_TYPE } from './long-type.ts'

/** The registry does not answer, or not with what it must have: wait and ask again. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError'
}

/** The registry answers that it has no schema of this id, or none that is Avro. */
export class UnknownSchemaError extends Error {
  override readonly name = 'UnknownSchemaError'
}

/** The registry refuses our schema or our requests for good. A person must look. */
export class SchemaRefusedError extends Error {
  override readonly name = 'SchemaRefusedError'
}

/** The compatibility that every subject of events has: a new schema reads what an old one wrote. */
export const COMPATIBILITY = 'BACKWARD'

export interface RegistrySettings {
  /** Base URL of the Confluent-compatible API. */
  readonly registryUrl: string
}

/** A compiled Avro schema. */
export interface AvroType {
  /** Writes from `at`; returns where it ended, or minus the bytes that are missing in the buffer. */
  encode(value: unknown, buffer: Buffer, at: number): number
  fromBuffer(bytes: Buffer): unknown
}

const CODEC_OPTIONS = {
  [registryClient.SchemaType.AVRO]: {
    typeHook: (schema: unknown) => (schema === 'long' ? LONG_TYPE : undefined),
  },
}

const TIMEOUT_MS = 10_000
const CONTENT_TYPE = 'application/vnd.schemaregistry.v1+json'

/** What Weir asks of a Confluent-compatible registry. Every method rejects with a `RegistryError` when it does not answer. */
export class Registry {
  readonly #url: string
  readonly #client: InstanceType<typeof registryClient.SchemaRegistry>

  constructor({ registryUrl }: RegistrySettings) {
    this.#url = registryUrl.replace(/\/$/, '')
    this.#client = new registryClient.SchemaRegistry(
      { host: this.#url, retry: { retries: 1 } },
      CODEC_OPTIONS,
    )
  }

  /**
   * Sets the subject's compatibility, then registers the schema; the same schema again gives the same id.
   * Rejects with a `SchemaRefusedError` (409, 422).
   */
  async register(subject: string, schema: object): Promise<number> {
    await this.#requireCompatibility(subject)
    const definition = { type: registryClient.SchemaType.AVRO as const, schema: JSON.stringify(schema) }
    try {
      return (await this.#client.register(definition, { subject })).id
    } catch (error) {
      const { status } = error as { status?: number }
      // What has no status is not the registry's answer, nor the lack of one.
      if (status === undefined) throw error
      // Two instances that register at the same moment may be told the same.
      if (status === 409 && (await this.#isCompatible(subject, schema))) throw away(status, error)
      if (status === 409 || status === 422) throw refused(status, error)
      throw unanswered(status, error)
    }
  }

  /** The id of a schema that is registered under the subject, undefined when it is not. */
  async find(subject: string, schema: object): Promise<number | undefined> {
    const path = `/subjects/${encodeURIComponent(subject)}`
    const { status, body } = await this.#request('POST', path, { schema: JSON.stringify(schema) })
    if (status === 404) return undefined
    if (status !== 200) throw unanswered(status)
    return (body as { id: number }).id
  }

  /** Rejects with an `UnknownSchemaError` when the registry answers that there is none. */
  async type(id: number): Promise<AvroType> {
    try {
      return (await this.#client.getSchema(id)) as unknown as AvroType
    } catch (error) {
      const { status } = error as { status?: number }
      if (status === 404) throw new UnknownSchemaError(`the registry has no schema ${id}`, { cause: error })
      if (status === undefined && (await this.#has(id))) {
        throw new UnknownSchemaError(`schema ${id} of the registry is not Avro`, { cause: error })
      }
      throw unanswered(status, error)
    }
  }

  /** Whether the registry has a schema of this id, of whatever kind: what stands in its place may answer 200 too. */
  async #has(id: number): Promise<boolean> {
    const { status, body } = await this.#request('GET', `/schemas/ids/${id}`)
    return status === 200 && typeof (body as { schema?: unknown } | null)?.schema === 'string'
  }

  /** The numbers of a subject's versions, in order; none when there is no such subject. */
  async versions(subject: string): Promise<readonly number[]> {
    const { status, body } = await this.#request('GET', `/subjects/${encodeURIComponent(subject)}/versions`)
    if (status === 404) return []
    if (status !== 200) throw unanswered(status)
    return body as number[]
  }

  async #requireCompatibility(subject: string): Promise<void> {
    const path = `/config/${encodeURIComponent(subject)}`
    const found = await this.#request('GET', path)
    if ((found.body as { compatibilityLevel?: string } | undefined)?.compatibilityLevel === COMPATIBILITY)
      return
    const { status } = await this.#request('PUT', path, { compatibility: COMPATIBILITY })
    if (status !== 200) throw unanswered(status)
  }

  async #request(
    method: string,
    path: string,
    body?: object,
  ): Promise<{ readonly status: number; readonly body: unknown }> {
    try {
      const response = await fetch(`${this.#url}${path}`, {
        ...{ method, headers: { 'content-type': CONTENT_TYPE }, signal: AbortSignal.timeout(TIMEOUT_MS) },
        ...(body && { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      return { status: response.status, body: response.ok ? JSON.parse(text) : undefined }
    } catch (error) {
      const { code } = ((error as Error).cause ?? {}) as { code?: string }
      if (code === 'ERR_INVALID_URL') throw new SchemaRefusedError('SCHEMA_REGISTRY_URL is not a URL')
      throw new RegistryError('the schema registry does not answer', { cause: error })
    }
  }

  async #isCompatible(subject: string, schema: object): Promise<boolean> {
    const path = `/compatibility/subjects/${encodeURIComponent(subject)}/versions/latest`
    const { body } = await this.#request('POST', path, { schema: JSON.stringify(schema) })
    return (body as { is_compatible?: boolean } | undefined)?.is_compatible ?? true
  }
}

const refused = (status: 409 | 422, cause: unknown): SchemaRefusedError => {
  const why = status === 409 ? 'it is not compatible with what is registered' : 'it is invalid'
  return new SchemaRefusedError(`the schema registry refuses the event schema: ${why}`, { cause })
}

/** 400 is what the client makes of no answer at all; 409 comes of two that change one subject; the others pass once the registry is up or its rights are corrected. */
const RETRIABLE_STATUS = new Set([400, 401, 403, 404, 408, 409, 425, 429])

const unanswered = (status: number | undefined, cause?: unknown): RegistryError | SchemaRefusedError =>
  status === undefined || status >= 500 || RETRIABLE_STATUS.has(status)
    ? away(status, cause)
    : new SchemaRefusedError(
        `the schema registry answers ${status}, which no registry does: correct SCHEMA_REGISTRY_URL`,
        { cause },
      )

const away = (status: number | undefined, cause?: unknown): RegistryError =>
  new RegistryError(`the schema registry ${status ? `answers ${status}` : 'does not answer'}`, { cause })
