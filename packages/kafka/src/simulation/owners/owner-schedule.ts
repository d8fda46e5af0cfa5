import { judge } from './judge.ts'
import { ModelBroker } from '../model/model-broker.ts'
import type { AbortRule } from '../model/model-coordinator.ts'
import { GROUP, ID, INPUT, OwnerActor, SEEN, UNIQUE, type Protocol } from './owner-actor.ts'
import { Schedule, type Faults } from '../schedule/schedule.ts'
import type { SimEvent, SimProcess } from '../model/world.ts'

export interface OwnerFaults extends Faults {
  /** Number of successors that the group assigns in sequence, even while the previous owner still runs. */
  readonly successors: number
  /** Number of transactions that the coordinator aborts as timed out, independent of the elapsed time. */
  readonly timeOuts: number
}

export interface Scenario {
  readonly protocol: Protocol
  readonly rule: AbortRule
  readonly inputs: readonly string[]
  readonly faults: OwnerFaults
  /** For a search over all orders. */
  readonly isPrompt?: boolean
}

/** A sequence of short-lived owners of one partition. Each only takes over and commits. */
export class OwnerSchedule extends Schedule<OwnerFaults> {
  readonly inputs: readonly string[]
  readonly #protocol: Protocol
  readonly #actors: SimProcess[] = []
  #owner: SimProcess | undefined

  constructor({ protocol, rule, inputs, faults, isPrompt = false }: Scenario) {
    super({
      broker: (world) => new ModelBroker({ rule, partitions: [UNIQUE, SEEN], now: () => world.now }),
      faults,
      transactionalId: ID,
      isPrompt,
    })
    this.inputs = inputs
    this.#protocol = protocol
    this.#assign()
  }

  #assign(): void {
    const { world, broker, inputs } = this
    this.#owner = world.start(`owner-${this.#actors.length + 1}`, (process) => {
      this.#owner = process
      const actor = new OwnerActor(
        {
          world,
          broker,
          inputs,
          protocol: this.#protocol,
          isOwner: (one) => one === this.#owner,
          onParked: (one, error) => this.park(one, error),
        },
        process,
      )
      void actor.run()
    })
    this.#actors.push(this.#owner)
  }

  fault(): string | undefined {
    return judge(this)
  }

  fingerprint(): string {
    const left = JSON.stringify([this.left, this.#owner?.name, this.parked.length])
    return [left, this.broker.fingerprint(), this.world.fingerprint()].join('\n')
  }

  protected get alive(): readonly SimProcess[] {
    return this.#actors.filter(({ isDead }) => !isDead)
  }

  protected replace(process: SimProcess): void {
    if (process === this.#owner) this.#assign()
  }

  protected ensureOwner(): void {
    if (this.#owner?.isDead !== false) this.#assign()
  }

  protected override isOmitted(name: string): boolean {
    return !this.isPrompt || name === UNIQUE
  }

  protected override faults(): SimEvent[] {
    const { left, transaction } = this
    const events: SimEvent[] = []
    if (left.successors > 0) {
      events.push({ actor: 'faults', key: 'a successor', run: () => this.#succeed() })
    }
    if (left.timeOuts > 0 && transaction?.timesOutAt !== undefined) {
      const isApt = this.world.isTakingOver
      events.push({ actor: 'faults', key: 'time-out', run: () => this.#timeOut(), isApt })
    }
    return [...events, ...super.faults()]
  }

  #succeed(): void {
    this.left.successors -= 1
    this.happen('a successor becomes the owner')
    this.#assign()
  }

  #timeOut(): void {
    this.left.timeOuts -= 1
    const transaction = this.transaction!
    this.world.now = Math.max(this.world.now, transaction.timesOutAt! + 1)
    this.happen('the coordinator aborts a transaction for its time-out')
    transaction.abortTimedOut()
  }

  /** True when the input is processed and the coordinator is at rest. */
  get isDone(): boolean {
    const committed = this.broker.committedOffset(GROUP, INPUT)?.offset ?? 0
    return this.isAtRest && committed === this.inputs.length
  }

  get isOver(): boolean {
    return this.isDone || this.ownerIsParked
  }

  get ownerIsParked(): boolean {
    return this.parked.some(({ process }) => process === this.#owner?.name)
  }
}
