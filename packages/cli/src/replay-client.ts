import { ConfigError } from '@weir/service-kit'
import { loadReplayClientConfig } from './config.ts'

/** The replay service does not answer, or refuses; the message says what to do. */
export class ReplayClientError extends Error {
  override readonly name = 'ReplayClientError'
}

export interface ReplayClient {
  readonly get: (path: string) => Promise<Record<string, unknown>>
  readonly text: (path: string) => Promise<string>
  readonly post: (path: string, body?: object) => Promise<Record<string, unknown>>
}

/** Talks to the service at REPLAY_URL, by default that of a local run. Its methods reject with a `ReplayClientError`. */
export const replayClient = (): ReplayClient => {
  const config = loadReplayClientConfig()
  const url = config.url ?? `http://127.0.0.1:${config.port}`
  const authorization = `Bearer ${config.token ?? ''}`
  const call = async (method: string, path: string, body?: object): Promise<string> => {
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
    const text = await response.text()
    if (response.ok) return text
    if (response.status === 401) throw new ReplayClientError('The token is not known: set REPLAY_TOKEN.')
    // A filter, a limit or a fix-up that it does not take is a wrong call.
    if (response.status === 400) throw new ConfigError(errorOf(text))
    throw new ReplayClientError(`The replay service answers ${response.status}: ${errorOf(text)}`)
  }
  const json = async (text: Promise<string>) => JSON.parse(await text) as Record<string, unknown>
  return {
    get: (path) => json(call('GET', path)),
    text: (path) => call('GET', path),
    post: (path, body) => json(call('POST', path, body)),
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
