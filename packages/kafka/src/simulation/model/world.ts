import { setImmediate as turn } from 'node:timers/promises'

/** One process of the simulated deployment. All processes share one event loop. */
export interface SimProcess {
  readonly name: string
  /** A dead process runs no more code. */
  isDead: boolean
  /** The process runs no code until this time. Requests in flight continue. */
  frozenUntil: number
}

interface Flight {
  readonly process: SimProcess
  readonly label: string
  readonly execute: () => unknown
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  state: 'sent' | 'waiting' | 'responded'
  /** True when no process waits for the response any more. */
  isOrphan: boolean
  response: { readonly value: unknown } | { readonly error: unknown } | undefined
}

interface Timer {
  readonly process: SimProcess
  readonly due: number
  readonly fire: () => void
}

/** A possible next event. `key` is equal in each run of the same schedule. */
export interface SimEvent {
  readonly actor: string
  readonly key: string
  readonly run: () => void
  /** True for a fault at a critical moment, which is chosen more often than by chance. */
  readonly isApt?: boolean
  /** True for a takeover request, while the previous owner may still run. */
  readonly isTakingOver?: boolean
}

const TAKING_OVER = /^(InitProducerId|DescribeProducers|DescribeTransactions|WriteTxnMarkers)/

/** The error of a broken connection. */
export class ConnectionError extends Error {
  override readonly name = 'KafkaJSConnectionError'
  readonly retriable = true
}

/**
 * Runs the code of several processes one event at a time, in an order and at times that the caller chooses: a request
 * reaches its broker, a response reaches its process, a timer fires. Between two events every process waits at an
 * await.
 */
export class World {
  now = 0
  readonly processes: SimProcess[] = []
  readonly trace: string[] = []
  #flights: Flight[] = []
  #timers: Timer[] = []
  /** The last request that a broker carried out. */
  #last: { readonly process: SimProcess; readonly label: string } | undefined
  /**
   * Delivers responses and timers immediately. A request may wait for any time before it is carried out, so this
   * excludes no order of requests. For a search over all orders.
   */
  readonly #isPrompt: boolean
  /** The responses that each process has received, without loop iterations that repeat earlier ones. */
  readonly #histories = new Map<SimProcess, string[]>()

  constructor(options: { readonly isPrompt: boolean }) {
    this.#isPrompt = options.isPrompt
  }

  start(name: string, run: (process: SimProcess) => void): SimProcess {
    const process: SimProcess = { name, isDead: false, frozenUntil: 0 }
    this.processes.push(process)
    run(process)
    return process
  }

  note(text: string): void {
    this.trace.push(`${String(Math.round(this.now)).padStart(7)} ms  ${text}`)
  }

  /** Sends a request of a process. A later event carries it out, and another delivers the response. */
  call<T>(process: SimProcess, label: string, execute: () => T | Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#flights.push({
        process,
        label,
        execute,
        reject,
        state: 'sent',
        isOrphan: false,
        response: undefined,
        resolve: resolve as (value: unknown) => void,
      })
    })
  }

  /** Returns a function that cancels the timer. */
  setTimer(process: SimProcess, ms: number, fire: () => void): () => void {
    const timer = { process, due: this.now + ms, fire }
    if (!process.isDead) this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer)
    }
  }

  /** Kills a process. Its requests in flight still reach the brokers. */
  kill(process: SimProcess): void {
    process.isDead = true
    this.note(`${process.name} is killed`)
    this.#timers = this.#timers.filter((timer) => timer.process !== process)
    this.#flights = this.#flights.filter((one) => one.process !== process || one.state !== 'responded')
    for (const flight of this.#flights) {
      if (flight.process === process) flight.isOrphan = true
    }
  }

  /**
   * Breaks the connections of a process: all its pending requests fail, and it does not learn whether the brokers carry
   * them out.
   */
  cut(process: SimProcess): void {
    this.note(`the connections of ${process.name} break`)
    for (const flight of this.#flights) {
      if (flight.process !== process || flight.isOrphan) continue
      flight.isOrphan = true
      // Responses that arrived but were not read are lost too.
      if (flight.state === 'responded') this.#remove(flight)
      const error = new ConnectionError(flight.label)
      this.#flights = [
        ...this.#flights,
        { ...flight, isOrphan: false, state: 'responded', response: { error } },
      ]
    }
  }

  /** Drops requests of dead processes that no broker has carried out. */
  dropLate(): void {
    this.#flights = this.#flights.filter(({ process, state }) => !(process.isDead && state === 'sent'))
  }

  /** True while a takeover request of any process has not reached its broker. */
  get isTakingOver(): boolean {
    return this.#flights.some(({ state, label }) => state === 'sent' && TAKING_OVER.test(label))
  }

  /** True when the last request carried out was a takeover request of this process. */
  hasTakenOver(process: SimProcess): boolean {
    return this.#last?.process === process && TAKING_OVER.test(this.#last.label)
  }

  get lastLabel(): string {
    return this.#last?.label ?? ''
  }

  /** All code has come to an await. */
  async settle(): Promise<void> {
    await turn()
    while (this.#isPrompt && this.#timers.length > 0) {
      for (const timer of this.#timers) this.#fire(timer)
      await turn()
    }
  }

  /** Equal for two worlds whose processes know and wait for the same things. */
  fingerprint(): string {
    const flights = this.#flights.map(
      ({ process, label, isOrphan }) => `${process.name} ${label} ${isOrphan}`,
    )
    const known = this.processes.map((one) => `${one.isDead} ${(this.#histories.get(one) ?? []).join(';')}`)
    return [...flights.sort(), ...known].join('\n')
  }

  #learn(process: SimProcess, what: string): void {
    const known = this.#histories.get(process) ?? []
    this.#histories.set(process, known)
    known.push(what)
    for (const round of [1, 2, 3]) {
      const isRepeated = known.slice(-round).every((one, i) => one === known.at(i - 2 * round))
      if (known.length >= 2 * round && isRepeated) known.length -= round
    }
  }

  /** The possible events, except faults and the brokers' own actions. */
  events(): SimEvent[] {
    const events: SimEvent[] = []
    this.#flights.forEach((flight) => {
      const { process, label, state } = flight
      if (state === 'sent') {
        events.push({
          actor: process.name,
          key: `${process.name} ${label}`,
          isTakingOver: TAKING_OVER.test(label),
          run: () => this.#execute(flight),
        })
      } else if (state === 'responded' && !this.#isFrozen(process)) {
        events.push({
          actor: process.name,
          key: `${process.name} gets ${label}`,
          run: () => this.#deliver(flight),
        })
      }
    })
    for (const timer of this.#timers) {
      if (timer.due > this.now || this.#isFrozen(timer.process)) continue
      const { name } = timer.process
      events.push({ actor: name, key: `${name} timer`, run: () => this.#fire(timer) })
    }
    return events
  }

  /** Time of the next timer or deadline; undefined without one. */
  nextTime(deadlines: readonly number[] = []): number | undefined {
    const wakings = this.processes.map(({ frozenUntil }) => frozenUntil)
    const later = [...this.#timers.map(({ due }) => due), ...wakings, ...deadlines].filter(
      (at) => at > this.now,
    )
    return later.length === 0 ? undefined : Math.min(...later)
  }

  #isFrozen({ frozenUntil }: SimProcess): boolean {
    return frozenUntil > this.now
  }

  #execute(flight: Flight): void {
    const { process, label } = flight
    this.now += 1
    const done = (response: NonNullable<Flight['response']>): void => {
      flight.state = 'responded'
      flight.response = response
      this.note(`${process.name}${flight.isOrphan ? ' (late)' : ''}: ${label} -> ${textOf(response)}`)
      if (flight.isOrphan) this.#remove(flight)
      else if (this.#isPrompt) this.#deliver(flight)
    }
    flight.state = 'waiting'
    try {
      const value = flight.execute()
      if (value instanceof Promise) {
        value.then(
          (result: unknown) => done({ value: result }),
          (error: unknown) => done({ error }),
        )
      } else {
        done({ value })
      }
    } catch (error) {
      done({ error })
    }
    this.#last = flight
  }

  #deliver(flight: Flight): void {
    this.#remove(flight)
    const response = flight.response!
    if (this.#isPrompt) this.#learn(flight.process, `${flight.label} ${textOf(response)}`)
    if ('error' in response) flight.reject(response.error)
    else flight.resolve(response.value)
  }

  #fire(timer: Timer): void {
    this.#timers = this.#timers.filter((one) => one !== timer)
    timer.fire()
  }

  #remove(flight: Flight): void {
    this.#flights = this.#flights.filter((one) => one !== flight)
  }
}

const textOf = (response: { readonly value: unknown } | { readonly error: unknown }): string => {
  if ('error' in response) return response.error instanceof Error ? response.error.message : 'error'
  if (response.value === undefined) return 'ok'
  const text = JSON.stringify(response.value, (_, value: unknown) =>
    typeof value === 'bigint' ? Number(value) : value,
  )
  return text.length > 160 ? `${text.slice(0, 160)}...` : text
}
