import { askHttp, ConfigError } from '@weir/runtime'
import { loadReplayClientConfig } from '../config.ts'
import { progress } from '../output.ts'

/** The replay service does not respond, or refuses the request. The message says what to do. */
export class ReplayClientError extends Error {
  override readonly name = 'ReplayClientError'
}

export interface ReplayClient {
  readonly get: (path: string) => Promise<Record<string, unknown>>
  /** The text of a response as it arrives. */
  readonly stream: (path: string) => AsyncIterable<string>
  readonly post: (path: string, body?: object) => Promise<Record<string, unknown>>
}

/** Limit for a whole response, and between two parts of a stream. */
const TIMEOUT_MS = 60_000
/** Letters per page. */
const ANSWER_BYTES_MAX = 67_108_864

/**
 * Client of the service at REPLAY_URL, by default that of a local run. Its methods reject with a `ReplayClientError`.
 */
export const replayClient = (timeoutMs = TIMEOUT_MS): ReplayClient => {
  const config = loadReplayClientConfig()
  const url = config.url ?? `http://127.0.0.1:${config.port}`
  const authorization = `Bearer ${config.token ?? ''}`
  const away = (error: unknown): never => {
    throw new ReplayClientError(
      `The replay service does not respond at ${url}: start it, or set REPLAY_URL.`,
      { cause: error },
    )
  }
  let isWarned = false
  const warn = (headers: Headers): void => {
    const expires = headers.get('weir-token-expires')
    if (expires === null || isWarned) return
    isWarned = true
    progress(`REPLAY_TOKEN expires at ${expires}: ask for a new one.`)
  }
  const json = async (method: 'GET' | 'POST', path: string, body?: object) => {
    const { status, headers, text } = await askHttp(`${url}${path}`, {
      method,
      headers: { authorization, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
      timeoutMs,
      bytesMax: ANSWER_BYTES_MAX,
    }).catch(away)
    warn(headers)
    requireOk(status, text)
    return parsed(text) ?? away(undefined)
  }
  return {
    get: (path) => json('GET', path),
    post: (path, body) => json('POST', path, body),
    stream: async function* (path) {
      const silence = new Silence(timeoutMs)
      try {
        // A redirect would carry the token to another host.
        const init = { redirect: 'manual', headers: { authorization }, signal: silence.signal } as const
        const response = await fetch(`${url}${path}`, init).catch(away)
        warn(response.headers)
        if (!response.ok) requireOk(response.status, await beginningOf(response).catch(away))
        for await (const text of textOf(response)) {
          silence.broken()
          yield text
        }
      } finally {
        silence.end()
      }
    },
  }
}

/** Aborts when nothing has arrived for this long. */
class Silence {
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout

  constructor(ms: number) {
    this.#timer = setTimeout(() => this.#controller.abort(), ms)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  broken(): void {
    this.#timer.refresh()
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#controller.abort()
  }
}

const requireOk = (status: number, text: string): void => {
  if (status >= 200 && status < 300) return
  if (status === 401) {
    throw new ReplayClientError('The token is unknown or has expired: set REPLAY_TOKEN.')
  }
  // A refused filter, limit or fix-up is an error of the call.
  if (status === 400) throw new ConfigError(errorOf(text))
  throw new ReplayClientError(`The replay service responds with status ${status}: ${errorOf(text)}`)
}

const parsed = (text: string): Record<string, unknown> | undefined => {
  try {
    const value = JSON.parse(text) as Record<string, unknown> | null
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

const ERROR_LENGTH_MAX = 10_000

const beginningOf = async (response: Response): Promise<string> => {
  let all = ''
  for await (const text of textOf(response)) {
    all += text
    if (all.length > ERROR_LENGTH_MAX) break
  }
  return all.slice(0, ERROR_LENGTH_MAX)
}

async function* textOf({ body }: Response): AsyncIterable<string> {
  const decoder = new TextDecoder()
  try {
    for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>)
      yield decoder.decode(chunk, { stream: true })
  } catch {
    throw new ReplayClientError('The response was cut off and the output is incomplete: repeat the command.')
  }
}

/** The error that a response names. */
const errorOf = (text: string): string => {
  try {
    const { error } = JSON.parse(text) as { readonly error?: unknown }
    return typeof error === 'string' ? error : text
  } catch {
    return text
  }
}
