/** One end of the channel between the first process and a worker: a `ChildProcess`, a cluster `Worker` or `process`. */
export interface Port {
  send?(message: object, handle: undefined, options: undefined, done: (error: Error | null) => void): unknown
  on(event: 'message', listener: (message: unknown) => void): unknown
}

/** The handlers for the other side's questions, by name. */
export type Answers = Readonly<Record<string, () => unknown>>

type Message =
  | { readonly kind: 'ask'; readonly id: number; readonly what: string }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }

const ANSWER_MS_MAX = 2_000

/** Questions and responses in both directions. */
export class Channel {
  readonly #port: Port
  readonly #answers: Answers
  readonly #asked = new Map<number, (value: unknown) => void>()
  #lastId = 0

  constructor(port: Port, answers: Answers) {
    this.#port = port
    this.#answers = answers
    port.on('message', (message) => void this.#receive(message as Message))
  }

  /** Undefined if no response arrives in time or can arrive, because the other side is too busy or gone. */
  ask(what: string): Promise<unknown> {
    const id = (this.#lastId += 1)
    return new Promise((resolve) => {
      const finish = (value: unknown): void => {
        clearTimeout(timer)
        this.#asked.delete(id)
        resolve(value)
      }
      const timer = setTimeout(finish, ANSWER_MS_MAX)
      this.#asked.set(id, finish)
      this.#send({ kind: 'ask', id, what }, () => finish(undefined))
    })
  }

  async #receive(message: Message): Promise<void> {
    if (message.kind === 'answer') {
      this.#asked.get(message.id)?.(message.value)
      return
    }
    const answer = this.#answers[message.what]
    if (answer === undefined) return
    // A caller that is gone needs no response.
    this.#send({ kind: 'answer', id: message.id, value: await answer() }, () => undefined)
  }

  /** A port with a handler does not emit `error` when it is closed. An `error` event would end this process. */
  #send(message: Message, onFailed: () => void): void {
    try {
      this.#port.send?.(message, undefined, undefined, (error) => {
        if (error !== null) onFailed()
      })
    } catch {
      onFailed()
    }
  }
}
