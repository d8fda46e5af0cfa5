import { setImmediate as turn } from 'node:timers/promises'

/** One process of the simulated deployment. Its code runs on the same event loop as all others'. */
export interface SimProcess {
  readonly name: string
  /** Nothing of it runs any more. */
  isDead: boolean
  /** It runs nothing until then; requests already sent stay under way. */
  frozenUntil: number
}

interface Flight {
  readonly process: SimProcess
  readonly label: string
  readonly execute: () => unknown
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  state: 'sent' | 'waiting' | 'answered'
  /** Nobody waits for the answer any more. */
  isOrphan: boolean
  answer: { readonly value: unknown } | { readonly error: unknown } | undefined
}

interface Timer {
  readonly process: SimProcess
  readonly due: number
  readonly fire: () => void
}

/** Something that may happen next. `key` is the same in each run of the same schedule. */
export interface SimEvent {
  readonly actor: string
  readonly key: string
  readonly run: () => void
  /** A fault that hits where it hurts most: to be chosen more often than chance would. */
  readonly isApt?: boolean
  /** A request of an owner that comes, when the one before may still be there. */
  readonly isTakingOver?: boolean
}

const TAKING_OVER = /^(InitProducerId|DescribeProducers|DescribeTransactions|WriteTxnMarkers)/

/** What the connection of a process gives when it breaks. */
export class ConnectionError extends Error {
  override readonly name = 'KafkaJSConnectionError'
  readonly retriable = true
}

/**
 * Runs the code of many processes one step at a time, in an order and at times that the caller chooses: a request
 * reaches its broker, an answer reaches its process, a timer ends. Between two steps every process stands at an await.
 */
export class World {
  now = 0
  readonly processes: SimProcess[] = []
  readonly trace: string[] = []
  #flights: Flight[] = []
  #timers: Timer[] = []
  /** The last request that brokers have carried out. */
  #last: { readonly process: SimProcess; readonly label: string } | undefined
  /**
   * Answers and timers come at once: since a request may wait for ever before it is carried out, no order of requests
   * is left out by that. For a search over all orders.
   */
  readonly #isPrompt: boolean
  /** What each process has been told, without the rounds of a loop that learns nothing new. */
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

  /** A request of a process: carried out at a later step, and answered at one after that. */
  call<T>(process: SimProcess, label: string, execute: () => T | Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#flights.push({
        process,
        label,
        execute,
        reject,
        state: 'sent',
        isOrphan: false,
        answer: undefined,
        resolve: resolve as (value: unknown) => void,
      })
    })
  }

  /** Returns a function that cancels it. */
  setTimer(process: SimProcess, ms: number, fire: () => void): () => void {
    const timer = { process, due: this.now + ms, fire }
    if (!process.isDead) this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer)
    }
  }

  /** Its requests that are under way still reach the brokers. */
  kill(process: SimProcess): void {
    process.isDead = true
    this.note(`${process.name} is killed`)
    this.#timers = this.#timers.filter((timer) => timer.process !== process)
    this.#flights = this.#flights.filter((one) => one.process !== process || one.state !== 'answered')
    for (const flight of this.#flights) {
      if (flight.process === process) flight.isOrphan = true
    }
  }

  /** All that a process waits for fails; whether the brokers have done it, or will, it does not learn. */
  cut(process: SimProcess): void {
    this.note(`the connections of ${process.name} break`)
    for (const flight of this.#flights) {
      if (flight.process !== process || flight.isOrphan) continue
      flight.isOrphan = true
      // Answers that arrived but were not read are lost too.
      if (flight.state === 'answered') this.#remove(flight)
      const error = new ConnectionError(flight.label)
      this.#flights = [...this.#flights, { ...flight, isOrphan: false, state: 'answered', answer: { error } }]
    }
  }

  /** Requests of dead processes that no broker has executed never arrive. */
  dropLate(): void {
    this.#flights = this.#flights.filter(({ process, state }) => !(process.isDead && state === 'sent'))
  }

  /** Somebody's request of a takeover has not reached its broker. */
  get isTakingOver(): boolean {
    return this.#flights.some(({ state, label }) => state === 'sent' && TAKING_OVER.test(label))
  }

  /** The last request that was carried out is of a takeover of this process. */
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

  /** The same for two worlds whose processes know the same and wait for the same. */
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

  /** What may happen now, but for faults and what brokers do by themselves. */
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
      } else if (state === 'answered' && !this.#isFrozen(process)) {
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

  /** When the next timer ends that has not; undefined: nothing waits for time. */
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
    const done = (answer: NonNullable<Flight['answer']>): void => {
      flight.state = 'answered'
      flight.answer = answer
      this.note(`${process.name}${flight.isOrphan ? ' (late)' : ''}: ${label} -> ${textOf(answer)}`)
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
    const answer = flight.answer!
    if (this.#isPrompt) this.#learn(flight.process, `${flight.label} ${textOf(answer)}`)
    if ('error' in answer) flight.reject(answer.error)
    else flight.resolve(answer.value)
  }

  #fire(timer: Timer): void {
    this.#timers = this.#timers.filter((one) => one !== timer)
    timer.fire()
  }

  #remove(flight: Flight): void {
    this.#flights = this.#flights.filter((one) => one !== flight)
  }
}

const textOf = (answer: { readonly value: unknown } | { readonly error: unknown }): string => {
  if ('error' in answer) return answer.error instanceof Error ? answer.error.message : 'error'
  if (answer.value === undefined) return 'ok'
  const text = JSON.stringify(answer.value, (_, value: unknown) =>
    typeof value === 'bigint' ? Number(value) : value,
  )
  return text.length > 160 ? `${text.slice(0, 160)}...` : text
}
