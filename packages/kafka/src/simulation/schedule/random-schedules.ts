import { Random } from './random.ts'
import type { Schedule } from './schedule.ts'
import type { SimEvent } from '../model/world.ts'

/** Draws a deployment and its possible faults. */
export type Start = (random: Random) => {
  readonly schedule: Schedule
  /** Number of steps after which no more faults happen. */
  readonly faultSteps: number
  /** Fixed weights of some actors, such as that of time passing while other events are possible. */
  readonly weights: Readonly<Record<string, number>>
}

export interface Run {
  readonly seed: number
  /** Undefined without a fault. */
  readonly fault: string | undefined
  readonly parked: readonly string[]
  readonly happened: readonly string[]
  /** Keys of the chosen events. */
  readonly keys: readonly string[]
  readonly trace: readonly string[]
}

const STEPS_MAX = 3_000
const WEIGHTS = [1, 1, 4, 20]
const REDRAW_STEPS = 25

/**
 * Gives each actor a random weight that changes from time to time, so that one actor lags while another advances.
 * Sometimes a process sleeps at an await, most often during a takeover. The seed decides how early faults come.
 */
class WeightedChooser {
  readonly #random: Random
  readonly #schedule: Schedule
  readonly #faultChance: number
  readonly #aptChance: number
  readonly #sleepChance: number
  readonly #fixed: Readonly<Record<string, number>>
  #weights = new Map<string, number>()
  #sleepers = new Map<string, number>()
  #steps = 0

  constructor(random: Random, schedule: Schedule, fixed: Readonly<Record<string, number>>) {
    this.#random = random
    this.#schedule = schedule
    this.#fixed = fixed
    this.#faultChance = random.pick([0.01, 0.03, 0.08])
    this.#aptChance = random.pick([0, 0.1, 0.3])
    this.#sleepChance = random.pick([0, 0.02, 0.1])
  }

  choose(events: readonly SimEvent[]): SimEvent | undefined {
    const random = this.#random
    this.#steps += 1
    if (this.#steps % REDRAW_STEPS === 0) this.#weights = new Map()
    const faults = events.filter(({ actor }) => actor === 'faults')
    const apt = faults.filter(({ isApt }) => isApt)
    if (apt.length > 0 && random.chance(this.#aptChance)) return random.pick(apt)
    if (faults.length > 0 && random.chance(this.#faultChance)) return random.pick(faults)
    const others = events.filter(({ actor }) => actor !== 'faults')
    if (others.length === 0) return faults.length > 0 ? random.pick(faults) : undefined
    const awake = others.filter((event) => !this.#sleeps(event))
    return this.#pick(awake.length > 0 ? awake : others)
  }

  /** Chooses without sleeping processes. Time passes only when no other event is possible. */
  chooseCalmly(events: readonly SimEvent[]): SimEvent | undefined {
    const others = events.filter(({ actor }) => actor !== 'time')
    return others.length > 0 ? this.#pick(others) : events[0]
  }

  #sleeps({ actor, isTakingOver }: SimEvent): boolean {
    if (!/-\d+$/.test(actor)) return false
    if ((this.#sleepers.get(actor) ?? 0) > this.#steps) return true
    if (!this.#random.chance(isTakingOver === true ? this.#sleepChance : this.#sleepChance / 10)) return false
    const steps = this.#random.between(10, 60)
    this.#sleepers.set(actor, this.#steps + steps)
    this.#schedule.happen(`${actor} sleeps for ${steps} steps`)
    return true
  }

  #pick(events: readonly SimEvent[]): SimEvent {
    let at = this.#random.next() * events.reduce((sum, event) => sum + this.#weightOf(event), 0)
    for (const event of events) {
      at -= this.#weightOf(event)
      if (at < 0) return event
    }
    return events.at(-1)!
  }

  #weightOf({ actor }: SimEvent): number {
    const known = this.#weights.get(actor)
    if (known !== undefined) return known
    const drawn = this.#fixed[actor] ?? this.#random.pick(WEIGHTS)
    this.#weights.set(actor, drawn)
    return drawn
  }
}

const HEAL = 'no more faults'

/** Runs the schedule of a seed. Equal seeds give equal runs. */
export const runSeed = async (seed: number, start: Start): Promise<Run> => {
  const random = new Random(seed)
  const { schedule, faultSteps, weights } = start(random)
  const chooser = new WeightedChooser(random, schedule, weights)
  const keys: string[] = []
  await schedule.run((events) => {
    if (keys.length === faultSteps) {
      schedule.heal()
      keys.push(HEAL)
    }
    const isHealed = keys.length > faultSteps
    if ((isHealed && schedule.isOver) || keys.length > STEPS_MAX) return undefined
    const chosen = isHealed ? chooser.chooseCalmly(withoutFaults(events)) : chooser.choose(events)
    keys.push(chosen?.key ?? '')
    return chosen
  })
  return runOf(seed, schedule, keys)
}

const withoutFaults = (events: readonly SimEvent[]): SimEvent[] =>
  events.filter(({ actor }) => actor !== 'faults')

const runOf = (seed: number, schedule: Schedule, keys: readonly string[]): Run => {
  const { happened, world, parked } = schedule
  const messages = parked.map(({ message }) => message)
  return { seed, fault: schedule.fault(), happened, keys, trace: world.trace, parked: messages }
}

/** Runs the same start with these events where they are possible, then with the simplest ones. */
const runKeys = async (seed: number, start: Start, keys: readonly string[]): Promise<Run> => {
  const { schedule } = start(new Random(seed))
  let at = 0
  let steps = 0
  let isHealed = false
  const heal = (): void => {
    isHealed = true
    schedule.heal()
  }
  await schedule.run((events) => {
    if (steps++ > STEPS_MAX) return undefined
    while (at < keys.length) {
      const key = keys[at++]!
      if (key === HEAL) heal()
      const found = (isHealed ? withoutFaults(events) : events).find((event) => event.key === key)
      if (found !== undefined) return found
    }
    if (!isHealed) heal()
    if (schedule.isOver) return undefined
    const regular = withoutFaults(events)
    return regular.find(({ actor }) => actor === 'coordinator') ?? regular[0]
  })
  return runOf(seed, schedule, keys)
}

const ROUNDS_MAX = 8

/** Shortens a faulty schedule: removes long stretches of events first, then single ones. */
export const shrink = async (run: Run, start: Start): Promise<Run> => {
  let best = run
  for (let round = 0, size = Math.ceil(run.keys.length / 2); round < ROUNDS_MAX && size >= 1; round++) {
    for (let from = 0; from < best.keys.length; from += size) {
      const keys = [...best.keys.slice(0, from), ...best.keys.slice(from + size)]
      const shorter = await runKeys(run.seed, start, keys)
      if (shorter.fault !== undefined && shorter.trace.length <= best.trace.length) best = shorter
    }
    size = Math.floor(size / 2)
  }
  return best
}

/** Readable report: the fault, the injected faults and each step. */
export const describeRun = ({ seed, fault, parked, happened, trace }: Run): string =>
  [
    `seed ${seed}: ${fault ?? 'all is well'}`,
    ...parked.map((message) => `parked: ${message}`),
    `faults: ${happened.join('; ') || 'none'}`,
    ...trace,
  ].join('\n')
