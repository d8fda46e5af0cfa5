import { ModelBroker } from './model-broker.ts'
import type { AbortRule } from './model-coordinator.ts'
import { GROUP, ID, INPUT, OwnerActor, SEEN, UNIQUE, type Protocol } from './owner-actor.ts'
import { World, type SimEvent, type SimProcess } from './world.ts'

/** Chooses what happens next; undefined: the schedule ends here. */
export type Chooser = (events: readonly SimEvent[]) => SimEvent | undefined

/** What may go wrong in one schedule, and how often. */
export interface Faults {
  /** Successors that the group makes the owner, one after another, whether or not the one before still runs. */
  readonly successors: number
  /** Times that a process is killed. */
  readonly kills: number
  /** Times that the connections of a process break: what was under way may still be done. */
  readonly cuts: number
  /** Partitions that may lose all replicas, each once, and how long they stay away at most, steps. */
  readonly leaderless: readonly string[]
  /** Markers that are left out, as if a partition was away for that moment. */
  readonly omissions: number
  /** Times that the coordinator aborts a transaction for its time-out. */
  readonly timeOuts: number
  /** Times that another broker becomes the coordinator. */
  readonly reloads: number
}

export interface Scenario {
  readonly protocol: Protocol
  readonly rule: AbortRule
  readonly inputs: readonly string[]
  readonly faults: Faults
  /** For a search over all orders. */
  readonly isPrompt?: boolean
}

export interface Parked {
  readonly process: string
  readonly message: string
}

/** Everything that one schedule is about, at its present step. */
export class Schedule {
  readonly world: World
  readonly broker: ModelBroker
  readonly inputs: readonly string[]
  readonly parked: Parked[] = []
  /** Faults that happened, by name. */
  readonly happened: string[] = []
  readonly #scenario: Scenario
  readonly #actors: SimProcess[] = []
  readonly #left: { -readonly [key in keyof Faults]: Faults[key] }
  #owner: SimProcess | undefined
  #isHealing = false

  constructor(scenario: Scenario) {
    this.#scenario = scenario
    this.#left = { ...scenario.faults }
    this.inputs = scenario.inputs
    const { rule, isPrompt = false } = scenario
    this.world = new World({ isPrompt })
    const { world } = this
    this.broker = new ModelBroker({ rule, partitions: [UNIQUE, SEEN], now: () => world.now })
    this.#assign()
  }

  #assign(): void {
    const { world, broker, inputs } = this
    const { protocol } = this.#scenario
    this.#owner = world.start(`owner-${this.#actors.length + 1}`, (process) => {
      this.#owner = process
      const actor = new OwnerActor(
        {
          ...{ world, broker, inputs, protocol, isOwner: (one) => one === this.#owner },
          onParked: (one, { message }) => {
            world.note(`${one.name} is parked: ${message}`)
            this.parked.push({ process: one.name, message })
          },
        },
        process,
      )
      void actor.run()
    })
    this.#actors.push(this.#owner)
  }

  /** Runs until the chooser ends it. */
  async run(choose: Chooser): Promise<void> {
    for (;;) {
      await this.world.settle()
      const event = choose(this.events())
      if (event === undefined) return
      event.run()
    }
  }

  /** All that may happen next. */
  events(): SimEvent[] {
    const events = [...this.world.events(), ...this.#coordinator(), ...this.#time()]
    return this.#isHealing ? events : [...events, ...this.#faults()]
  }

  fingerprint(): string {
    const left = JSON.stringify([this.#left, this.#owner?.name, this.parked.length])
    return [left, this.broker.fingerprint(), this.world.fingerprint()].join('\n')
  }

  #coordinator(): SimEvent[] {
    const transaction = this.broker.transactions.get(ID)
    if (transaction === undefined) return []
    const { world, broker } = this
    // In a search over all orders, markers come in one order: which is first matters less than what comes between.
    const unmarked =
      this.#scenario.isPrompt === true ? transaction.unmarked.slice(0, 1) : transaction.unmarked
    const events: SimEvent[] = unmarked.map((name) => ({
      ...{ actor: 'coordinator', key: `marker ${name}` },
      run: () => world.note(`coordinator: ${name}: ${broker.mark(ID, name)}`),
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
    const at = this.world.nextTime()
    if (at === undefined) return []
    const run = (): void => {
      this.world.now = at
    }
    return [{ actor: 'time', key: 'time passes', run }]
  }

  #faults(): SimEvent[] {
    const left = this.#left
    const { broker, world } = this
    const events: SimEvent[] = []
    const add = (key: string, run: () => void, isApt = false): void => {
      events.push({ actor: 'faults', key, run, isApt })
    }
    const alive = this.#actors.filter(({ isDead }) => !isDead)
    if (left.successors > 0) add('a successor', () => this.#succeed())
    for (const process of alive) {
      const isTakingOver = world.hasTakenOver(process)
      if (left.kills > 0) add(`kill ${process.name}`, () => this.#kill(process), isTakingOver)
      if (left.cuts > 0) add(`cut ${process.name}`, () => this.#cut(process), isTakingOver)
    }
    const transaction = broker.transactions.get(ID)
    for (const name of left.leaderless) {
      const isBetween = transaction?.unmarked.includes(name) === true
      add(`${name} loses all replicas`, () => this.#loseLeader(name), isBetween)
    }
    if (left.omissions > 0) {
      const unmarked = (transaction?.unmarked ?? []).filter(
        (name) => this.#scenario.isPrompt !== true || name === UNIQUE,
      )
      for (const name of unmarked) add(`no marker on ${name}`, () => this.#omit(name), true)
    }
    for (const { isLeaderless, name, openOnes } of broker.logs) {
      if (isLeaderless) add(`${name} is back`, () => this.#giveLeader(name), openOnes.length > 0)
    }
    if (left.timeOuts > 0 && transaction?.timesOutAt !== undefined) {
      add('time-out', () => this.#timeOut(), world.isTakingOver)
    }
    if (left.reloads > 0 && transaction !== undefined) add('another coordinator', () => this.#reload())
    return events
  }

  #succeed(): void {
    this.#left.successors -= 1
    this.happen('a successor becomes the owner')
    this.#assign()
  }

  /** A process that runs next takes the place of the owner. */
  #kill(process: SimProcess): void {
    this.#left.kills -= 1
    this.happen(`kill ${process.name}`)
    this.world.kill(process)
    if (process === this.#owner) this.#assign()
  }

  #cut(process: SimProcess): void {
    this.#left.cuts -= 1
    this.happen(`cut ${process.name}`)
    this.world.cut(process)
  }

  #loseLeader(name: string): void {
    this.#left.leaderless = this.#left.leaderless.filter((one) => one !== name)
    this.happen(`${name} loses all replicas`)
    this.broker.log(name).isLeaderless = true
  }

  #omit(name: string): void {
    this.#left.omissions -= 1
    const log = this.broker.log(name)
    const { isLeaderless } = log
    log.isLeaderless = true
    this.happen(`${name}: ${this.broker.mark(ID, name)}`)
    log.isLeaderless = isLeaderless
  }

  #giveLeader(name: string): void {
    this.world.note(`${name} is back`)
    this.broker.log(name).isLeaderless = false
  }

  #timeOut(): void {
    this.#left.timeOuts -= 1
    const transaction = this.broker.transactions.get(ID)!
    this.world.now = Math.max(this.world.now, transaction.timesOutAt! + 1)
    this.happen('the coordinator aborts a transaction for its time-out')
    transaction.abortTimedOut()
  }

  #reload(): void {
    this.#left.reloads -= 1
    this.happen('another broker becomes the coordinator')
    this.broker.transactions.get(ID)!.reload()
  }

  /** Notes a fault. */
  happen(what: string): void {
    this.happened.push(what)
    this.world.note(`FAULT ${what}`)
  }

  /** No more faults: leaders come back, and somebody owns the partition. */
  heal(): void {
    this.world.note('no more faults')
    this.#isHealing = true
    for (const log of this.broker.logs) log.isLeaderless = false
    if (this.#owner?.isDead !== false) this.#assign()
  }

  /** The input is at its end and the coordinator at rest. */
  get isDone(): boolean {
    const state = this.broker.transactions.get(ID)?.describe().state
    const committed = this.broker.committedOffset(GROUP, INPUT)?.offset ?? 0
    const isAtRest = state === 'CompleteCommit' || state === 'CompleteAbort' || state === 'Empty'
    return (
      isAtRest && committed === this.inputs.length && !this.broker.logs.some((log) => log.openOnes.length > 0)
    )
  }

  /** Nothing more is to be waited for. */
  get isOver(): boolean {
    return this.isDone || this.ownerIsParked
  }

  get ownerIsParked(): boolean {
    return this.parked.some(({ process }) => process === this.#owner?.name)
  }
}
