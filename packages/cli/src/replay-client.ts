import { ConfigError } from '@weir/service-kit'
import { loadReplayClientConfig } from './config.ts'
import { progress } from './output.ts'

/** The replay service does not answer, or refuses; the message says what to do. */
export class ReplayClientError extends Error {
  override readonly name = 'ReplayClientError'
}

export interface ReplayClient {
  readonly get: (path: string) => Promise<Record<string, unknown>>
  /** The text of an answer as it arrives. */
  readonly stream: (path: string) => AsyncIterable<string>
  readonly post: (path: string, body?: object) => Promise<Record<string, unknown>>
}

/** Talks to the service at REPLAY_URL, by default that of a local run. Its methods reject with a `ReplayClientError`. */
export const replayClient = (): ReplayClient => {
  const config = loadReplayClientConfig()
  const url = config.url ?? `http://127.0.0.1:${config.port}`
  const authorization = `Bearer ${config.token ?? ''}`
  let isWarned = false
  const call = async (method: string, path: string, body?: object): Promise<Response> => {
    let response: Response
    try {
      response = await fetch(`${url}${path}`, {
        // A redirect would take the token along.
        ...{
          method,
          redirect: 'manual' as const,
          headers: { authorization, ...(body && { 'content-type': 'application/json' }) },
        },
        ...(body && { body: JSON.stringify(body) }),
      })
    } catch {
      throw new ReplayClientError(
        `The replay service does not answer at ${url}: start it, or set REPLAY_URL.`,
      )
    }
    const expires = response.headers.get('weir-token-expires')
    if (expires !== null && !isWarned) {
      isWarned = true
      progress(`REPLAY_TOKEN expires at ${expires}: ask for a new one.`)
    }
    if (response.ok) return response
    const text = await response.text()
    if (response.status === 401)
      throw new ReplayClientError('The token is not known, or has expired: set REPLAY_TOKEN.')
    // A filter, a limit or a fix-up that it does not take is a wrong call.
    if (response.status === 400) throw new ConfigError(errorOf(text))
    throw new ReplayClientError(`The replay service answers ${response.status}: ${errorOf(text)}`)
  }
  const json = async (response: Promise<Response>) =>
    (await (await response).json()) as Record<string, unknown>
  return {
    get: (path) => json(call('GET', path)),
    stream: (path) => textOf(call('GET', path)),
    post: (path, body) => json(call('POST', path, body)),
  }
}

async function* textOf(response: Promise<Response>): AsyncIterable<string> {
  const { body } = await response
  const decoder = new TextDecoder()
  try {
    for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>)
      yield decoder.decode(chunk, { stream: true })
  } catch {
    throw new ReplayClientError('The answer was cut off, and what was written is not all: ask again.')
  }
}

/** What an answer says is wrong. */
const errorOf = (text: string): string => {
  try {
    const { error } = JSON.parse(text) as { readonly error?: unknown }
    return typeof error === 'string' ? error : text
  } catch {
    return text
  }
}
