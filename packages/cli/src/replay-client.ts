import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { folders, weirHome } from '@weir/local-stack'
import { loadReplayClientConfig, loadStartConfig } from './config.ts'
import { foldersFor, type LocalIdentity } from './local-state.ts'

/** The replay service does not answer, or refuses; the message says what to do. */
export class ReplayClientError extends Error {
  override readonly name = 'ReplayClientError'
}

export interface ReplayClient {
  readonly get: (path: string) => Promise<Record<string, unknown>>
  readonly text: (path: string) => Promise<string>
  readonly post: (path: string, body?: object) => Promise<Record<string, unknown>>
}

const tokenOfLocalRun = (): string => {
  try {
    const state = foldersFor(folders(weirHome()), loadStartConfig()).state
    const identity = JSON.parse(readFileSync(join(state, 'identity.json'), 'utf8')) as LocalIdentity
    const entry = identity.secrets.REPLAY_TOKENS ?? ''
    return entry.slice(entry.indexOf(':') + 1)
  } catch {
    return ''
  }
}

/** Talks to the service at REPLAY_URL, by default that of a local run. Its methods reject with a `ReplayClientError`. */
export const replayClient = (): ReplayClient => {
  const config = loadReplayClientConfig()
  const url = config.url ?? `http://127.0.0.1:${config.port}`
  const authorization = `Bearer ${config.token ?? tokenOfLocalRun()}`
  const call = async (method: string, path: string, body?: object): Promise<string> => {
    let response: Response
    try {
      response = await fetch(`${url}${path}`, {
        ...{ method, headers: { authorization, ...(body && { 'content-type': 'application/json' }) } },
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
    throw new ReplayClientError(`The replay service answers ${response.status}: ${text}`)
  }
  const json = async (text: Promise<string>) => JSON.parse(await text) as Record<string, unknown>
  return {
    get: (path) => json(call('GET', path)),
    text: (path) => call('GET', path),
    post: (path, body) => json(call('POST', path, body)),
  }
}
