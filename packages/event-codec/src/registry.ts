import avsc from 'avsc'
import { LONG_TYPE } from './long-type.ts'
import { askRegistry, locate, type RegistryAnswer } from './registry-http.ts'
import { RegistryError, SchemaRefusedError, UnknownSchemaError } from './registry-errors.ts'

/** The compatibility that every subject of events has: a new schema reads what an old one wrote. */
export const COMPATIBILITY = 'BACKWARD'

export interface RegistrySettings {
  /** Base URL of the Confluent-compatible API; may hold a user and a password. */
  readonly registryUrl: string
}

/** A compiled Avro schema. */
export interface AvroType {
  /** Writes from `at`; returns where it ended, or minus the bytes that are missing in the buffer. */
  encode(value: unknown, buffer: Buffer, at: number): number
  fromBuffer(bytes: Buffer): unknown
}

const TIMEOUT_MS = 10_000

/** What Weir asks of a Confluent-compatible registry. Every method rejects with a `RegistryError` when it does not answer in time. */
export class Registry {
  readonly #ask: (method: string, path: string, body?: object) => Promise<RegistryAnswer>

  constructor({ registryUrl }: RegistrySettings, timeoutMs = TIMEOUT_MS) {
    this.#ask = (method, path, body) => askRegistry(locate(registryUrl), { method, path, body, timeoutMs })
  }

  /**
   * Sets the subject's compatibility, then registers the schema; the same schema again gives the same id.
   * Rejects with a `SchemaRefusedError` (409, 422).
   */
  async register(subject: string, schema: object): Promise<number> {
    await this.#requireCompatibility(subject)
    const path = `/subjects/${encodeURIComponent(subject)}/versions`
    const answer = await this.#ask('POST', path, { schema: JSON.stringify(schema) })
    if (answer.status === 200) return idOf(answer)
    // Two instances that register at the same moment may be told the same.
    if (answer.status === 409 && (await this.#isCompatible(subject, schema))) throw unanswered(answer)
    if (answer.status === 409 || answer.status === 422) throw refused(answer.status)
    throw unanswered(answer)
  }

  /** The id of a schema that is registered under the subject, undefined when it is not. */
  async find(subject: string, schema: object): Promise<number | undefined> {
    const path = `/subjects/${encodeURIComponent(subject)}`
    const answer = await this.#ask('POST', path, { schema: JSON.stringify(schema) })
    if (isMissing(answer)) return undefined
    if (answer.status !== 200) throw unanswered(answer)
    return idOf(answer)
  }

  /** Rejects with an `UnknownSchemaError` when the registry answers that there is none, or none that is Avro. */
  async type(id: number): Promise<AvroType> {
    const answer = await this.#ask('GET', `/schemas/ids/${id}`)
    if (isMissing(answer)) throw new UnknownSchemaError(`the registry has no schema ${id}`)
    const { schema } = (answer.body ?? {}) as { readonly schema?: unknown }
    // What stands in its place may answer 200 too.
    if (answer.status !== 200 || typeof schema !== 'string') throw unanswered(answer)
    try {
      return avsc.Type.forSchema(JSON.parse(schema) as avsc.Schema, {
        typeHook: (one) => ((one as unknown) === 'long' ? LONG_TYPE : undefined),
      })
    } catch (error) {
      throw new UnknownSchemaError(`schema ${id} of the registry is not Avro`, { cause: error })
    }
  }

  /** The numbers of a subject's versions, in order; none when there is no such subject. */
  async versions(subject: string): Promise<readonly number[]> {
    const answer = await this.#ask('GET', `/subjects/${encodeURIComponent(subject)}/versions`)
    if (isMissing(answer)) return []
    if (answer.status !== 200 || !Array.isArray(answer.body)) throw unanswered(answer)
    return answer.body as number[]
  }

  async #requireCompatibility(subject: string): Promise<void> {
    const path = `/config/${encodeURIComponent(subject)}`
    const found = await this.#ask('GET', path)
    if ((found.body as { compatibilityLevel?: string } | undefined)?.compatibilityLevel === COMPATIBILITY)
      return
    const answer = await this.#ask('PUT', path, { compatibility: COMPATIBILITY })
    if (answer.status !== 200) throw unanswered(answer)
  }

  async #isCompatible(subject: string, schema: object): Promise<boolean> {
    const path = `/compatibility/subjects/${encodeURIComponent(subject)}/versions/latest`
    const { status, body } = await this.#ask('POST', path, { schema: JSON.stringify(schema) })
    const { is_compatible: isCompatible } = (body ?? {}) as { readonly is_compatible?: boolean }
    return status === 200 ? (isCompatible ?? true) : true
  }
}

const idOf = (answer: RegistryAnswer): number => {
  const { id } = (answer.body ?? {}) as { readonly id?: unknown }
  if (!Number.isSafeInteger(id)) throw unanswered(answer)
  return id as number
}

/** Subject, version or schema. */
const MISSING = new Set<unknown>([40_401, 40_402, 40_403])

/** A 404 of anything but the registry itself, such as a proxy whose registry is still starting, says nothing of schemas. */
const isMissing = ({ status, body }: RegistryAnswer): boolean =>
  status === 404 && MISSING.has((body as { readonly error_code?: unknown } | undefined)?.error_code)

const refused = (status: 409 | 422): SchemaRefusedError => {
  const why = status === 409 ? 'it is not compatible with what is registered' : 'it is invalid'
  return new SchemaRefusedError(`the schema registry refuses the event schema: ${why}`)
}

/** 409 comes of two that change one subject; the others pass once the registry is up or its rights are corrected. */
const RETRIABLE_STATUS = new Set([400, 401, 403, 404, 408, 409, 425, 429])

const HINTS: Readonly<Record<number, string>> = {
  200: ', but not as a registry does: SCHEMA_REGISTRY_URL names something else, or it is not there yet',
  401: ': correct the user or the password of SCHEMA_REGISTRY_URL',
  403: ': give the user of SCHEMA_REGISTRY_URL the right',
  404: ', but not as a registry does: SCHEMA_REGISTRY_URL names something else, or it is not there yet',
}

const unanswered = ({ status }: RegistryAnswer): RegistryError | SchemaRefusedError =>
  status === 200 || status >= 500 || RETRIABLE_STATUS.has(status)
    ? new RegistryError(`the schema registry answers ${status}${HINTS[status] ?? ''}`)
    : new SchemaRefusedError(
        `the schema registry answers ${status}, which no registry does: correct SCHEMA_REGISTRY_URL`,
      )
