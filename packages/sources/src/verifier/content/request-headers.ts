/**
 * The headers of a request as they were received. Node's own view joins or drops repeated headers, and a request with
 * two signatures must not look like one with a single valid signature.
 */
export class RequestHeaders {
  readonly #raw: readonly string[]

  /** `raw`: alternating names and values, as in `IncomingMessage.rawHeaders`. */
  constructor(raw: readonly string[]) {
    this.#raw = raw
  }

  static of(headers: Readonly<Record<string, string>>): RequestHeaders {
    return new RequestHeaders(Object.entries(headers).flat())
  }

  /** The number of occurrences of a header. `name` is in lower case. */
  count(name: string): number {
    const raw = this.#raw
    let count = 0
    for (let i = 0; i < raw.length; i += 2) if (isNamed(raw[i]!, name)) count += 1
    return count
  }

  /** The value of a header that occurs exactly once and is not empty. `name` is in lower case. */
  get(name: string): string | undefined {
    const raw = this.#raw
    let value: string | undefined
    for (let i = 0; i < raw.length; i += 2) {
      if (!isNamed(raw[i]!, name)) continue
      if (value !== undefined) return undefined
      value = raw[i + 1]!
    }
    return value === '' ? undefined : value
  }

  /** Lower-case names with their values, in the order of the request. */
  *entries(): Iterable<readonly [name: string, value: string]> {
    for (let i = 0; i < this.#raw.length; i += 2) yield [this.#raw[i]!.toLowerCase(), this.#raw[i + 1]!]
  }
}

const isNamed = (text: string, name: string): boolean =>
  text.length === name.length && (text === name || text.toLowerCase() === name)
