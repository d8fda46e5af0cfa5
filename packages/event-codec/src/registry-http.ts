import { splitCredentials } from '@weir/contracts'
import { RegistryError, SchemaRefusedError } from './registry-errors.ts'

export interface RegistryAnswer {
  readonly status: number
  /** Undefined if the body is not JSON. */
  readonly body: unknown
}

export interface RegistryPlace {
  readonly url: string
  /** Made from the user and password of the setting; request URLs must not contain them. */
  readonly authorization: string | undefined
}

export interface RegistryQuestion {
  readonly method: string
  readonly path: string
  /** JSON. */
  readonly body: string | undefined
  /** Timeout of the whole response, ms. */
  readonly timeoutMs: number
}

const CONTENT_TYPE = 'application/vnd.schemaregistry.v1+json'
/** Limit of a response. A schema has a few kilobytes. */
const ANSWER_BYTES_MAX = 4_194_304

/** Throws a `SchemaRefusedError` that does not quote the setting. */
export const locate = (registryUrl: string): RegistryPlace => {
  // Its error would quote the password.
  if (!URL.canParse(registryUrl) || !/^https?:/i.test(registryUrl)) {
    throw new SchemaRefusedError('SCHEMA_REGISTRY_URL is not an http or https URL')
  }
  const { url, user, password } = splitCredentials(registryUrl)
  const basic = Buffer.from(`${user}:${password}`).toString('base64')
  return { url, authorization: user === '' && password === '' ? undefined : `Basic ${basic}` }
}

/** Rejects with a `RegistryError` unless a complete response within the size limit arrives in time. */
export const askRegistry = async (
  { url, authorization }: RegistryPlace,
  { method, path, body, timeoutMs }: RegistryQuestion,
): Promise<RegistryAnswer> => {
  try {
    const response = await fetch(`${url}${path}`, {
      method,
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
      headers: {
        'content-type': CONTENT_TYPE,
        accept: CONTENT_TYPE,
        ...(authorization && { authorization }),
      },
      ...(body !== undefined && { body }),
    })
    return { status: response.status, body: parsed(await textOf(response)) }
  } catch (error) {
    if (error instanceof RegistryError) throw error
    const isLate = (error as Error).name === 'TimeoutError'
    const { code } = ((error as Error).cause ?? {}) as { readonly code?: string }
    const why = isLate ? `within ${timeoutMs} ms` : `(${code ?? (error as Error).name})`
    throw new RegistryError(`the schema registry does not answer ${why}`)
  }
}

const textOf = async ({ body }: Response): Promise<string> => {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length
    if (bytes > ANSWER_BYTES_MAX) {
      throw new RegistryError(`the schema registry responds with more than ${ANSWER_BYTES_MAX} bytes`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
