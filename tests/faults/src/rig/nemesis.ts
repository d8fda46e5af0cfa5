import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from '@weir/truth'
import type { Load } from '../load/load.ts'
import type { Phase } from '../plan/phases.ts'
import { describeFault, type BrokerRole, type Fault, type Lane, type Step } from '../plan/step.ts'
import type { SteppedClock } from './clock.ts'
import { allInSync, nodeOf } from './cluster-state.ts'
import type { Instance } from './instance.ts'
import { replayIntoRaw } from './replay-into-raw.ts'
import { breakOutside } from './outside-faults.ts'
import type { Killable, Servers } from './servers.ts'
import { bounce, breakStore } from './store-faults.ts'

export interface NemesisOptions {
  readonly seed: number
  readonly servers: Servers
  /** Of the service whose clock can be stepped; a text: why there is none. */
  readonly serviceClock: SteppedClock | string
  readonly instances: readonly Instance[]
  readonly load: Load
  /** The topic whose leaders are killed. */
  readonly topic: string
  readonly progress: (text: string) => void
}

/** What became of a step. */
export interface Outcome {
  readonly target: string
  readonly phase?: Phase
  readonly fault: string
  /** Since the start of the load. */
  readonly atMs: number
  readonly tookMs: number
  /** Why it did not happen as planned; undefined: it did. */
  readonly missed?: string
}

const LOOK_MS = 100
const TOLD_LOOK_MS = 5
const UP_MS_MAX = 60_000
const IN_SYNC_MS_MAX = 180_000
const ATTEMPTS_MAX = 3
const HIT_MS_MAX = 60_000

/** Breaks what the plan says, and only processes that this rig has started. */
export class Nemesis {
  readonly outcomes: Outcome[] = []
  /** Ids of crash points that were really met. */
  readonly hits = new Set<string>()
  readonly #options: NemesisOptions
  readonly #random: Random
  readonly #startedAt = performance.now()
  readonly #underWay = new Set<Step>()
  #stopped = false

  constructor(options: NemesisOptions) {
    this.#options = options
    this.#random = new Random(options.seed, 'nemesis')
  }

  /** Resolves when every lane is at its end. */
  async run(lanes: readonly Lane[]): Promise<void> {
    await Promise.all(lanes.map((lane) => this.#runLane(lane)))
  }

  /** Of the steps that are under way, when the earliest was due, as a part of the events; Infinity: there is none. */
  get earliestAt(): number {
    return Math.min(...[...this.#underWay].map(({ at }) => at))
  }

  /** No further step begins. */
  stop(): void {
    this.#stopped = true
  }

  async #runLane({ target, steps }: Lane): Promise<void> {
    for (const step of steps) {
      while (this.#options.load.progress < step.at && !this.#stopped) await sleep(LOOK_MS)
      if (this.#stopped) {
        this.#note(target, step, performance.now(), 'stopped before it')
        continue
      }
      const startedAt = performance.now()
      let missed: string | undefined
      this.#underWay.add(step)
      try {
        missed = await this.#inflict(target, step)
      } catch (error) {
        missed = (error as Error).message
      } finally {
        this.#underWay.delete(step)
      }
      this.#note(target, step, startedAt, missed)
    }
  }

  #note(target: string, step: Step, startedAt: number, missed: string | undefined): void {
    const outcome: Outcome = {
      target,
      fault: describeFault(step),
      atMs: Math.round(startedAt - this.#startedAt),
      ...(step.phase && { phase: step.phase }),
      tookMs: Math.round(performance.now() - startedAt),
      ...(missed !== undefined && { missed }),
    }
    this.outcomes.push(outcome)
    const at = (outcome.atMs / 1_000).toFixed(0)
    this.#options.progress(
      `  ${at} s  ${target}: ${outcome.fault}${missed === undefined ? '' : `: NOT DONE (${missed})`}`,
    )
  }

  /** Why it was missed, or undefined. */
  async #inflict(target: string, fault: Fault): Promise<string | undefined> {
    switch (fault.kind) {
      case 'failpoint':
        return this.#visit(this.#instance(target), fault)
      case 'kill': {
        const instance = this.#instance(target)
        await this.#untilUp(instance)
        instance.kill()
        return undefined
      }
      case 'pause': {
        const instance = this.#instance(target)
        await this.#untilUp(instance)
        await instance.freeze(fault.ms)
        return undefined
      }
      case 'freeze-at-start':
        return this.#freezeAtStart(this.#instance(target), fault)
      case 'scale-out': {
        const instance = this.#instance(target)
        instance.start()
        return (await this.#untilUp(instance)) ? undefined : 'it was not ready in time'
      }
      case 'scale-in':
        await this.#instance(target).stop()
        return undefined
      case 'broker-kill':
        return this.#killBroker(fault.role, fault.downMs)
      case 'brokers-pause':
        return this.#pauseBrokers(fault.ms)
      case 'leader-kill-alone':
        return this.#killLeaderAlone(fault.pauseMs)
      case 'server-kill':
      case 'server-stall':
      case 'server-slow':
      case 'black-hole':
        await breakStore(this.#options.servers, fault)
        if (fault.kind === 'server-kill') this.hits.add(fault.server)
        return undefined
      case 'cut':
      case 'clock-step':
      case 'disk-full':
        return breakOutside(this.#options, fault, this.#random)
      case 'replay-into-raw': {
        const { servers, topic, seed } = this.#options
        await replayIntoRaw(servers.urls, topic, fault.records, seed)
        return undefined
      }
    }
  }

  #instance(name: string): Instance {
    const instance = this.#options.instances.find((one) => one.name === name)
    if (instance === undefined) throw new Error(`there is no ${name}`)
    return instance
  }

  /** Whether it was ready in time. */
  async #untilUp(instance: Instance): Promise<boolean> {
    const deadline = performance.now() + UP_MS_MAX
    while (!(await instance.isReady())) {
      if (performance.now() > deadline) return false
      await sleep(LOOK_MS)
    }
    return true
  }

  /** The moment is told by the process itself: what happens until it is ready does not take the same time twice. */
  async #freezeAtStart(
    instance: Instance,
    fault: Fault & { kind: 'freeze-at-start' },
  ): Promise<string | undefined> {
    await this.#untilUp(instance)
    const next = instance.incarnation + 1
    instance.restartWith(`${instance.kind}.assigned:tell:1`, fault.how)
    const deadline = performance.now() + HIT_MS_MAX
    while (instance.fired(next).length === 0) {
      if (instance.incarnation > next) return 'it ended before it was assigned a partition'
      if (performance.now() > deadline) return 'it was not assigned a partition'
      await sleep(TOLD_LOOK_MS)
    }
    await sleep(fault.afterMs)
    await instance.freeze(fault.ms)
    return (await this.#untilUp(instance)) ? undefined : 'it was not ready in time after it'
  }

  async #visit(instance: Instance, fault: Fault & { kind: 'failpoint' }): Promise<string | undefined> {
    let spec = fault.spec
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      await this.#untilUp(instance)
      const armed = instance.incarnation + 1
      instance.restartWith(spec, fault.how)
      if (await this.#fires(instance, armed, fault)) {
        this.hits.add(fault.point)
        return undefined
      }
      // It met too little traffic, or another fault ended it: the first pass will do.
      spec = spec.replace(/:(kill|pause|throw):\d+/, ':$1:1')
    }
    return `${fault.failpoint} was not passed in ${ATTEMPTS_MAX} attempts`
  }

  async #fires(instance: Instance, armed: number, fault: Fault & { kind: 'failpoint' }): Promise<boolean> {
    const deadline = performance.now() + HIT_MS_MAX
    const hasFired = (): boolean =>
      instance.fired(armed).some(({ failpoint }) => failpoint === fault.failpoint)
    while (!hasFired()) {
      if (instance.incarnation > armed || performance.now() > deadline) return hasFired()
      await sleep(2 * LOOK_MS)
    }
    if (fault.ends) while (instance.incarnation === armed) await sleep(LOOK_MS)
    else await sleep(fault.pauseMs)
    return true
  }

  async #killBroker(role: BrokerRole, downMs: number): Promise<string | undefined> {
    const { servers, topic } = this.#options
    const { kafkaBrokers } = servers.urls
    await allInSync(kafkaBrokers, IN_SYNC_MS_MAX)
    const partition = this.#random.between(0, servers.urls.shape.partitions - 1)
    const node = await nodeOf(kafkaBrokers, role, { topic, partition })
    await bounce(this.#broker(node), downMs)
    const isTransaction = role === 'transaction-coordinator'
    this.hits.add(role === 'leader' ? 'broker-leader' : isTransaction ? role : 'group-coordinator')
    await allInSync(kafkaBrokers, IN_SYNC_MS_MAX)
    return undefined
  }

  async #pauseBrokers(ms: number): Promise<string | undefined> {
    const { servers, load } = this.#options
    await allInSync(servers.urls.kafkaBrokers, IN_SYNC_MS_MAX)
    const [one, two] = this.#random.shuffle(servers.brokers)
    const before = load.counts.overBudget
    for (const broker of [one!, two!]) broker.signal('SIGSTOP')
    await sleep(ms)
    for (const broker of [one!, two!]) broker.signal('SIGCONT')
    await allInSync(servers.urls.kafkaBrokers, IN_SYNC_MS_MAX)
    if (load.counts.overBudget === before) return 'no request was over its budget'
    this.hits.add('ingress-over-budget')
    return undefined
  }

  async #killLeaderAlone(pauseMs: number): Promise<string | undefined> {
    const { servers, topic } = this.#options
    const { kafkaBrokers } = servers.urls
    await allInSync(kafkaBrokers, IN_SYNC_MS_MAX)
    const node = await nodeOf(kafkaBrokers, 'leader', { topic, partition: 0 })
    const followers = servers.brokers.filter((_, index) => index !== node - 1)
    for (const follower of followers) follower.signal('SIGSTOP')
    await sleep(pauseMs)
    const leader = this.#broker(node)
    await leader.kill()
    for (const follower of followers) follower.signal('SIGCONT')
    await sleep(pauseMs + 10_000)
    await leader.start()
    await allInSync(kafkaBrokers, IN_SYNC_MS_MAX)
    return undefined
  }

  #broker(node: number): Killable {
    return this.#options.servers.brokers[node - 1]!
  }
}
