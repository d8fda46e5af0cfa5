import type { ModelBroker } from '../model/model-broker.ts'
import type { ModelTransaction } from '../model/model-coordinator.ts'
import { World, type SimEvent, type SimProcess } from '../model/world.ts'

/** Chooses the next event. Undefined ends the schedule. */
export type Chooser = (events: readonly SimEvent[]) => SimEvent | undefined

/** The number of broker and process faults in one schedule. */
export interface Faults {
  /** Number of kills of a process. */
  readonly kills: number
  /** Number of broken connections. Requests in flight may still be carried out. */
  readonly cuts: number
  /** Partitions that may lose all replicas, each once. */
  readonly leaderless: readonly string[]
  /** Number of omitted markers, as if the partition had no leader at that moment. */
  readonly omissions: number
  /** Number of moves of the coordinator to another broker. */
  readonly reloads: number
}

export interface Parked {
  readonly process: string
  readonly message: string
}

/** The world, the brokers and the remaining faults of one schedule. */
export abstract class Schedule<F extends Faults = Faults> {
  readonly world: World
  readonly broker: ModelBroker
  readonly parked: Parked[] = []
  /** Faults that happened, by name. */
  readonly happened: string[] = []
  protected readonly left: { -readonly [key in keyof F]: F[key] }
  protected readonly isPrompt: boolean
  readonly #transactionalId: string
  #isHealing = false

  constructor(options: {
    readonly broker: (world: World) => ModelBroker
    readonly faults: F
    readonly transactionalId: string
    readonly isPrompt?: boolean
  }) {
    this.isPrompt = options.isPrompt ?? false
    this.world = new World({ isPrompt: this.isPrompt })
    this.broker = options.broker(this.world)
    this.left = { ...options.faults }
    this.#transactionalId = options.transactionalId
  }

  /** The fault found at the end, if any. */
  abstract fault(): string | undefined
  /** All work is done. */
  abstract get isOver(): boolean
  /** Running processes. */
  protected abstract get alive(): readonly SimProcess[]
  /** Starts a replacement for a killed process, if the deployment does so. */
  protected abstract replace(process: SimProcess): void
  /** Ensures that the partition has an owner or will get one. */
  protected abstract ensureOwner(): void

  protected get transaction(): ModelTransaction | undefined {
    return this.broker.transactions.get(this.#transactionalId)
  }

  /** True when no transaction is open or being ended. */
  get isAtRest(): boolean {
    const state = this.transaction?.describe().state
    const isEnded = state === 'CompleteCommit' || state === 'CompleteAbort' || state === 'Empty'
    return isEnded && !this.broker.logs.some((log) => log.openOnes.length > 0)
  }

  /** Runs until the chooser returns undefined. */
  async run(choose: Chooser): Promise<void> {
    for (;;) {
      await this.world.settle()
      const event = choose(this.events())
      if (event === undefined) return
      event.run()
    }
  }

  /** All possible next events. */
  events(): SimEvent[] {
    const events = [...this.world.events(), ...this.#coordinator(), ...this.#time()]
    return this.#isHealing ? events : [...events, ...this.faults()]
  }

  #coordinator(): SimEvent[] {
    const { transaction, world, broker } = this
    if (transaction === undefined) return []
    // A search over all orders fixes the order of markers, because their order matters less than what happens in
    // between.
    const unmarked = this.isPrompt ? transaction.unmarked.slice(0, 1) : transaction.unmarked
    const events: SimEvent[] = unmarked.map((name) => ({
      actor: 'coordinator',
      key: `marker ${name}`,
      run: () => world.note(`coordinator: ${name}: ${broker.mark(this.#transactionalId, name)}`),
    }))
    if (transaction.isFencing) {
      const run = (): void => {
        transaction.noteFence()
        world.note('coordinator: PrepareAbort')
      }
      events.push({ actor: 'coordinator', key: 'note the abort', run })
    }
    if (transaction.isEnding) {
      const run = (): void => {
        transaction.complete()
        world.note(`coordinator: ${transaction.describe().state}`)
      }
      events.push({ actor: 'coordinator', key: 'complete', run })
    }
    return events
  }

  #time(): SimEvent[] {
    const at = this.world.nextTime(this.deadlines)
    if (at === undefined) return []
    const run = (): void => {
      this.world.now = at
    }
    return [{ actor: 'time', key: 'time passes', run }]
  }

  /** Times of the brokers' own actions. */
  protected get deadlines(): readonly number[] {
    return []
  }

  protected faults(): SimEvent[] {
    const { left, broker, world, transaction } = this
    const events: SimEvent[] = []
    const add = (key: string, run: () => void, isApt = false): void => {
      events.push({ actor: 'faults', key, run, isApt })
    }
    for (const process of this.alive) {
      const isTakingOver = world.hasTakenOver(process)
      if (left.kills > 0) add(`kill ${process.name}`, () => this.#kill(process), isTakingOver)
      if (left.cuts > 0) add(`cut ${process.name}`, () => this.#cut(process), isTakingOver)
    }
    for (const name of left.leaderless) {
      const isBetween = transaction?.unmarked.includes(name) === true
      add(`${name} loses all replicas`, () => this.#loseLeader(name), isBetween)
    }
    if (left.omissions > 0) {
      const unmarked = (transaction?.unmarked ?? []).filter((name) => this.isOmitted(name))
      for (const name of unmarked) add(`no marker on ${name}`, () => this.#omit(name), true)
    }
    for (const { isLeaderless, name, openOnes } of broker.logs) {
      if (isLeaderless) add(`${name} is back`, () => this.#giveLeader(name), openOnes.length > 0)
    }
    if (left.reloads > 0 && transaction !== undefined) add('another coordinator', () => this.#reload())
    return events
  }

  protected isOmitted(_name: string): boolean {
    return true
  }

  #kill(process: SimProcess): void {
    this.left.kills -= 1
    this.happen(`kill ${process.name}`)
    this.world.kill(process)
    this.replace(process)
  }

  #cut(process: SimProcess): void {
    this.left.cuts -= 1
    this.happen(`cut ${process.name}`)
    this.world.cut(process)
  }

  #loseLeader(name: string): void {
    this.left.leaderless = this.left.leaderless.filter((one) => one !== name)
    this.happen(`${name} loses all replicas`)
    this.broker.log(name).isLeaderless = true
  }

  #omit(name: string): void {
    this.left.omissions -= 1
    const log = this.broker.log(name)
    const { isLeaderless } = log
    log.isLeaderless = true
    this.happen(`${name}: ${this.broker.mark(this.#transactionalId, name)}`)
    log.isLeaderless = isLeaderless
  }

  #giveLeader(name: string): void {
    this.world.note(`${name} is back`)
    this.broker.log(name).isLeaderless = false
  }

  #reload(): void {
    this.left.reloads -= 1
    this.happen('another broker becomes the coordinator')
    this.transaction!.reload()
  }

  /** Records a fault. */
  happen(what: string): void {
    this.happened.push(what)
    this.world.note(`FAULT ${what}`)
  }

  park(process: SimProcess, { message }: Error): void {
    this.world.note(`${process.name} is parked: ${message}`)
    this.parked.push({ process: process.name, message })
  }

  /** Ends all faults: leaders return, processes wake, and the partition gets an owner. */
  heal(): void {
    this.world.note('no more faults')
    this.#isHealing = true
    for (const log of this.broker.logs) log.isLeaderless = false
    for (const process of this.world.processes) process.frozenUntil = 0
    this.ensureOwner()
  }
}
