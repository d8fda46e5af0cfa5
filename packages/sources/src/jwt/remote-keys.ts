import { backOffMs } from '@weir/contracts'
import { keysOfJwks, type JwtKey } from './jwt-keys.ts'
import type { JwtAlgorithm } from './jwt-spec.ts'

/** The source of the keys that verify tokens. */
export interface KeySource {
  /** Throws a `KeysUnavailableError`. */
  readonly keys: () => Promise<readonly JwtKey[]>
  /** Newer keys for a token that no key fits. Undefined if there are none. Throws a `KeysUnavailableError`. */
  readonly newer: (than: readonly JwtKey[]) => Promise<readonly JwtKey[] | undefined>
}

/** The keys cannot be fetched at the moment, so tokens cannot be checked. */
export class KeysUnavailableError extends Error {
  override readonly name = 'KeysUnavailableError'
}

export const fixedKeys = (keys: readonly JwtKey[]): KeySource => ({
  keys: () => Promise.resolve(keys),
  newer: () => Promise.resolve(undefined),
})

const TIMEOUT_MS = 4_000
const BYTES_MAX = 262_144
/** Keys older than this are fetched again while the old ones stay in use. */
const FRESH_MS = 600_000
/** Keys older than this are not used. */
const STALE_MS_MAX = 86_400_000
/** The minimum time between fetches, however many tokens name an unknown key. */
const PAUSE_MS = 30_000
const BACK_OFF = { firstMs: 1_000, maxMs: 300_000 }
/** The number of requests that may wait for keys. Each holds its body in memory. */
const WAITING_MAX = 100

export interface RemoteKeysOptions {
  readonly fetch?: typeof globalThis.fetch
  /** Milliseconds of a monotonic clock. */
  readonly clock?: () => number
}

/** A provider's published keys. They are fetched when they are needed, and kept while they cannot be fetched again. */
export class RemoteKeys implements KeySource {
  readonly #url: string
  readonly #algorithms: readonly JwtAlgorithm[]
  readonly #fetch: typeof globalThis.fetch
  readonly #clock: () => number
  #kept: { readonly keys: readonly JwtKey[]; readonly at: number } | undefined
  #failures = 0
  #failedAt = 0
  #cause = ''
  #waiting = 0
  #pending: Promise<void> | undefined

  constructor(url: string, algorithms: readonly JwtAlgorithm[], options: RemoteKeysOptions = {}) {
    this.#url = url
    this.#algorithms = algorithms
    this.#fetch = options.fetch ?? globalThis.fetch
    this.#clock = options.clock ?? (() => performance.now())
  }

  async keys(): Promise<readonly JwtKey[]> {
    const age = this.#age
    if (age < FRESH_MS) return this.#kept!.keys
    if (age >= STALE_MS_MAX) await this.#refreshed()
    else if (!this.#isBackingOff) void this.#refresh()
    if (this.#age >= STALE_MS_MAX) throw this.#unavailable()
    return this.#kept!.keys
  }

  async newer(than: readonly JwtKey[]): Promise<readonly JwtKey[] | undefined> {
    if (this.#kept !== undefined && this.#kept.keys !== than) return this.#kept.keys
    if (this.#age < PAUSE_MS) return undefined
    await this.#refreshed()
    // The provider may have newer keys that could not be fetched.
    if (this.#failures > 0) throw this.#unavailable()
    return this.#kept?.keys
  }

  get #age(): number {
    return this.#kept === undefined ? Infinity : this.#clock() - this.#kept.at
  }

  get #isBackingOff(): boolean {
    if (this.#failures === 0) return false
    return this.#clock() - this.#failedAt < backOffMs(this.#failures, BACK_OFF)
  }

  #unavailable(): KeysUnavailableError {
    return new KeysUnavailableError(`${this.#url}: ${this.#cause}`)
  }

  async #refreshed(): Promise<void> {
    if (this.#pending === undefined && this.#isBackingOff) return
    if (this.#waiting >= WAITING_MAX) {
      throw new KeysUnavailableError(`${this.#url}: ${WAITING_MAX} requests already wait for its keys`)
    }
    this.#waiting += 1
    try {
      await this.#refresh()
    } finally {
      this.#waiting -= 1
    }
  }

  /** One fetch at a time. Never rejects. */
  #refresh(): Promise<void> {
    this.#pending ??= this.#load().finally(() => (this.#pending = undefined))
    return this.#pending
  }

  async #load(): Promise<void> {
    try {
      const keys = keysOfJwks(await this.#read(), this.#algorithms)
      this.#kept = { keys, at: this.#clock() }
      this.#failures = 0
    } catch (error) {
      this.#failures += 1
      this.#failedAt = this.#clock()
      this.#cause = causeOf(error as Error)
    }
  }

  async #read(): Promise<string> {
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    // A redirect would let the server choose another address.
    const response = await this.#fetch(this.#url, {
      signal,
      redirect: 'manual',
      headers: { accept: 'application/json' },
    })
    if (response.status !== 200) {
      await response.body?.cancel()
      throw new RangeError(`answers ${response.status}`)
    }
    const chunks: Uint8Array[] = []
    let size = 0
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      size += chunk.length
      if (size > BYTES_MAX) throw new RangeError(`the response has more than ${BYTES_MAX} bytes`)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks).toString()
  }
}

/** `fetch` wraps the cause in its own error. */
const causeOf = ({ name, message, cause }: Error): string => {
  if (name === 'TimeoutError') return `no response within ${TIMEOUT_MS} ms`
  const { code, message: own } = (cause ?? {}) as { readonly code?: unknown; readonly message?: unknown }
  return [code, own, message].find((text) => typeof text === 'string' && text !== '') as string
}

const URLS_MAX = 200
const known = new Map<string, RemoteKeys>()

/** One instance per URL in a process, so that the keys survive a reload of the sources. */
export const remoteKeysOf = (url: string, algorithms: readonly JwtAlgorithm[]): RemoteKeys => {
  const name = `${algorithms.join()} ${url}`
  const keys = known.get(name) ?? new RemoteKeys(url, algorithms)
  known.delete(name)
  known.set(name, keys)
  const [oldest] = known.keys()
  if (known.size > URLS_MAX) known.delete(oldest!)
  return keys
}
