import type { Clock } from '../../client/clock.ts'
import { FakeGroup } from '../../testing/fake-group.ts'
import { ModelBroker, OFFSETS } from '../model/model-broker.ts'
import { modelTransactions } from '../model/model-client.ts'
import type { AbortRule } from '../model/model-coordinator.ts'
import { modelFeed, ModelReads } from '../model/model-reads.ts'
import { encodeRecord } from '../model/model-record.ts'
import { GROUP, ID } from '../owners/owner-actor.ts'
import { Random } from '../schedule/random.ts'
import { Schedule, type Faults } from '../schedule/schedule.ts'
import { judgeProcessor, passedOn, type Damage } from './processor-judge.ts'
import { SESSION_MS, ProcessorMember, type Surroundings } from './processor-member.ts'
import { INPUT, openSimulatedTask, OUTPUT, STARTS, STATE, type TaskKind } from './simulated-task.ts'
import type { SimEvent, SimProcess } from '../model/world.ts'

export interface ProcessorFaults extends Faults {
  /** Number of processes that join. */
  readonly joins: number
  /** Number of processes that shut down cleanly. */
  readonly leaves: number
  /** Durations for which a process is frozen at an await, ms. */
  readonly freezesMs: readonly number[]
  readonly damage: Damage | undefined
}

/** One step of the upstream writer. */
export type UpstreamStep =
  | { readonly kind: 'record'; readonly value: string }
  | { readonly kind: 'send'; readonly value: string }
  | { readonly kind: 'end'; readonly outcome: 'commit' | 'abort' }

/** A planted defect: changes the dependencies of a process. */
export type Plant = (around: Surroundings, broker: ModelBroker) => Surroundings

export interface ProcessorScenario {
  readonly kind: TaskKind
  readonly rule: AbortRule
  /** See `ModelBroker`. */
  readonly epochBefore?: number | undefined
  readonly upstream: readonly UpstreamStep[]
  readonly faults: ProcessorFaults
  readonly random: Random
  readonly plant?: Plant
}

interface Member {
  readonly process: SimProcess
  readonly member: ProcessorMember
  /** The last generation in which the process learned that it owns the partition. */
  owns: number
  isLeaving: boolean
}

const UPSTREAM_ID = 1
const nameOf = (topic: string): string => `${topic}/0`

/** The processes of one processor with one partition, its group, and the writer of its input. */
export class ProcessorSchedule extends Schedule<ProcessorFaults> {
  readonly kind: TaskKind
  /** Violations found during the run, independent of the logs. */
  readonly violations: string[] = []
  damage: Damage | undefined
  readonly #scenario: ProcessorScenario
  readonly #random: Random
  readonly #group: FakeGroup
  readonly #members: Member[] = []
  #upstream: UpstreamStep[]

  constructor(scenario: ProcessorScenario) {
    const partitions = [INPUT, OUTPUT, STATE, STARTS].map(nameOf)
    super({
      broker: (world) => new ModelBroker({ ...scenario, partitions, now: () => world.now }),
      faults: scenario.faults,
      transactionalId: ID,
    })
    this.#scenario = scenario
    this.kind = scenario.kind
    this.#random = scenario.random
    this.#upstream = [...scenario.upstream]
    this.#group = new FakeGroup(() => this.world.now)
    this.#start()
    this.#start()
  }

  #start(): void {
    const { world, broker } = this
    const { kind, plant } = this.#scenario
    const random = new Random(this.#random.between(0, 1_000_000))
    world.start(`member-${this.#members.length + 1}`, (process) => {
      const clock: Clock = {
        now: () => world.now,
        random: () => random.next(),
        timer: (ms, fire) => world.setTimer(process, ms, fire),
      }
      const reads = new ModelReads(world, process, broker, clock)
      const openClient = modelTransactions(world, process, broker, clock)
      let responsesBefore = 0
      const around = (membership: Surroundings['membership']): Surroundings => ({
        reads,
        openClient,
        membership,
        feed: modelFeed(reads),
        openTask: () => openSimulatedTask(kind, () => this.#onEffect(process)),
        assign: (runners, assigned) => runners.assign(assigned),
      })
      const member: ProcessorMember = new ProcessorMember({
        world,
        process,
        group: this.#group,
        kind,
        clock,
        surround: (membership) => {
          const planted = plant?.(around(membership), broker) ?? around(membership)
          return {
            ...planted,
            openClient: (...of) => {
              if (member.responses <= responsesBefore) {
                this.violations.push(`${process.name} fences, and the group has not confirmed it`)
              }
              responsesBefore = member.responses
              return planted.openClient(...of)
            },
          }
        },
        onOwner: (generation) => {
          const own = this.#members.find((one) => one.process === process)!
          own.owns = generation
          world.note(`${process.name} is the owner in generation ${generation}`)
        },
        onParked: (error) => this.park(process, error),
        onFatal: (error) => this.violations.push(`${process.name} ends: ${error.message}`),
      })
      this.#members.push({ process, member, owns: -1, isLeaving: false })
    })
  }

  /** Correct only if no other process can have become the owner. */
  #onEffect(process: SimProcess): void {
    const own = this.#members.find((one) => one.process === process)!
    const other = this.#members.find(({ owns }) => owns > own.owns)
    if (other === undefined) return
    this.violations.push(`an effect of ${process.name}, while ${other.process.name} is the owner`)
  }

  fault(): string | undefined {
    return judgeProcessor(this)
  }

  protected get alive(): readonly SimProcess[] {
    return this.#running.map(({ process }) => process)
  }

  get #running(): readonly Member[] {
    return this.#members.filter(({ process, isLeaving }) => !process.isDead && !isLeaving)
  }

  protected replace(): void {
    this.ensureOwner()
  }

  protected ensureOwner(): void {
    if (this.#running.length === 0) this.#start()
  }

  protected override get deadlines(): readonly number[] {
    const timesOutAt = this.transaction?.timesOutAt
    return [...this.#group.deadlines(SESSION_MS).values(), ...(timesOutAt === undefined ? [] : [timesOutAt])]
  }

  override events(): SimEvent[] {
    const { world, transaction } = this
    const events = super.events()
    for (const [memberId, at] of this.#group.deadlines(SESSION_MS)) {
      if (at > world.now) continue
      const run = (): void => {
        world.note(`group: the session of ${memberId} ends`)
        this.#group.expire(memberId)
      }
      events.push({ actor: 'group', key: `the session of ${memberId} ends`, run })
    }
    if ((transaction?.timesOutAt ?? Infinity) <= world.now) {
      const run = (): void => {
        world.note('coordinator: the transaction has timed out')
        transaction!.abortTimedOut()
      }
      events.push({ actor: 'coordinator', key: 'time-out', run })
    }
    const [next] = this.#upstream
    if (next !== undefined && !this.broker.log(nameOf(INPUT)).isLeaderless) {
      events.push({ actor: 'upstream', key: `upstream ${next.kind}`, run: () => this.#send(next) })
    }
    return events
  }

  #send(step: UpstreamStep): void {
    this.#upstream.shift()
    const log = this.broker.log(nameOf(INPUT))
    if (step.kind === 'end') {
      const marker = { producerId: UPSTREAM_ID, epoch: 0, coordinatorEpoch: 0, outcome: step.outcome }
      log.writeMarker(marker)
    } else {
      const record = encodeRecord({ key: Buffer.alloc(0), value: Buffer.from(step.value) })
      if (step.kind === 'record') log.appendPlain(record)
      else log.append(UPSTREAM_ID, 0, [record])
    }
    this.world.note(`upstream: ${Object.values(step).join(' ')}`)
  }

  protected override faults(): SimEvent[] {
    const { left } = this
    const events: SimEvent[] = []
    const add = (key: string, run: () => void, isApt = false): void => {
      events.push({ actor: 'faults', key, run, isApt })
    }
    if (left.joins > 0) add('a process joins', () => this.#join())
    for (const one of this.#running) {
      const { process } = one
      const isApt = this.world.hasTakenOver(process)
      if (left.leaves > 0) add(`${process.name} leaves`, () => this.#leave(one))
      if (left.freezesMs.length > 0) add(`freeze ${process.name}`, () => this.#freeze(process), isApt)
    }
    const hasWorked = (this.#committed ?? 0) > 0
    if (left.damage === 'offset deleted' && hasWorked) {
      add('the offset is deleted', () => this.#damage('offset deleted'))
    }
    const isLed = !this.broker.logs.some(({ isLeaderless }) => isLeaderless)
    if (left.damage !== undefined && hasWorked && isLed && this.isAtRest) {
      const damage = left.damage
      add(`all stops: ${damage}`, () => this.#stopAndDamage(damage), true)
    }
    return [...events, ...super.faults()]
  }

  #join(): void {
    this.left.joins -= 1
    this.happen('a process joins')
    this.#start()
  }

  #leave(one: Member): void {
    this.left.leaves -= 1
    this.happen(`${one.process.name} leaves`)
    one.isLeaving = true
    void one.member.stop()
    this.ensureOwner()
  }

  #freeze(process: SimProcess): void {
    const [ms = 0, ...rest] = this.left.freezesMs
    this.left.freezesMs = rest
    this.happen(`${process.name} is frozen for ${ms} ms`)
    process.frozenUntil = this.world.now + ms
  }

  #stopAndDamage(damage: Damage): void {
    for (const { process } of this.#members) if (!process.isDead) this.world.kill(process)
    this.world.dropLate()
    this.#damage(damage)
    this.#start()
  }

  #damage(damage: Damage): void {
    this.left.damage = undefined
    this.damage = damage
    this.happen(damage)
    const { broker } = this
    const state = broker.log(nameOf(STATE))
    const input = broker.log(nameOf(INPUT))
    switch (damage) {
      case 'offset deleted':
        broker.deleteOffset(GROUP, nameOf(INPUT))
        return
      case 'older offset':
        broker.commitPlainOffset(GROUP, nameOf(INPUT), {
          offset: Math.max(0, this.#committed! - this.#random.between(1, 3)),
          metadata: '',
        })
        return
      case 'older state':
        state.truncate(this.#random.pick([0, ...state.cuts]))
        return
      case 'end of state lost':
        state.truncate(state.end - this.#random.between(1, 6))
        return
      case 'end of input lost':
        input.truncate(input.end - this.#random.between(1, 3))
        if (input.isOpen(UPSTREAM_ID)) this.#send({ kind: 'end', outcome: 'abort' })
        this.#upstream = []
        return
      case 'notes lost':
        broker.log(nameOf(STARTS)).truncate(0)
    }
  }

  get #committed(): number | undefined {
    if (this.broker.log(OFFSETS).isLeaderless) return undefined
    return this.broker.committedOffset(GROUP, nameOf(INPUT))?.offset
  }

  get isDone(): boolean {
    return (
      this.#owner.member.runners.states.get(0) === 'running' &&
      this.#upstream.length === 0 &&
      this.isAtRest &&
      this.#isReadToEnd
    )
  }

  get #isReadToEnd(): boolean {
    const committed = this.#committed
    if (committed === undefined) {
      return this.damage === 'offset deleted' && passedOn(this).lost === undefined
    }
    return committed === this.broker.log(nameOf(INPUT)).end
  }

  get isOver(): boolean {
    return this.isDone || this.ownerIsParked
  }

  get ownerIsParked(): boolean {
    return this.#owner.member.runners.parked.size > 0
  }

  /** The running member that the group made the owner last. */
  get #owner(): Member {
    return this.#running.toSorted((a, b) => b.owns - a.owns)[0]!
  }
}
