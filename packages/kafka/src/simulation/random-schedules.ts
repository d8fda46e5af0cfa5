import { judge } from './judge.ts'
import type { AbortRule } from './model-coordinator.ts'
import { OFFSETS } from './model-broker.ts'
import { SEEN, UNIQUE, type Protocol } from './owner-actor.ts'
import { Random } from './random.ts'
import { Schedule, type Faults } from './schedule.ts'
import type { SimEvent } from './world.ts'

export interface Run {
  readonly seed: number
  /** undefined: all is well. */
  readonly fault: string | undefined
  readonly parked: readonly string[]
  readonly happened: readonly string[]
  /** What was chosen at each step. */
  readonly keys: readonly string[]
  readonly trace: readonly string[]
}

const STEPS_MAX = 3_000
const WEIGHTS = [1, 1, 4, 20]
const TIME_WEIGHT = 0.5
const REDRAW_STEPS = 25

const NO_FAULTS: Faults = {
  ...{ successors: 0, kills: 0, cuts: 0, leaderless: [], omissions: 0, timeOuts: 0, reloads: 0 },
}

/** A third of the seeds has all kinds of faults; the others have few, so that those meet more often. */
const drawFaults = (random: Random): Faults => {
  const places = [UNIQUE, SEEN, OFFSETS]
  const kind = random.next()
  if (kind < 0.33) return { ...NO_FAULTS, successors: random.between(1, 2), omissions: 1, timeOuts: 1 }
  if (kind < 0.66)
    return { ...NO_FAULTS, successors: random.between(0, 1), kills: random.between(1, 2), omissions: 1 }
  return {
    successors: random.between(0, 2),
    kills: random.pick([0, 0, 1, 2]),
    cuts: random.pick([0, 0, 0, 1]),
    leaderless: places.filter(() => random.chance(0.5)),
    omissions: random.pick([0, 0, 1, 2]),
    timeOuts: random.pick([0, 0, 1, 2]),
    reloads: random.pick([0, 0, 0, 1]),
  }
}

/**
 * Actors have weights that change now and then, so that one of them lags while another comes far; and now and then a
 * process sleeps at an await, most of all while it takes over. Faults come early or late, by the chance that the seed
 * draws.
 */
class WeightedChooser {
  readonly #random: Random
  readonly #schedule: Schedule
  readonly #faultChance: number
  readonly #aptChance: number
  readonly #sleepChance: number
  #weights = new Map<string, number>()
  #sleepers = new Map<string, number>()
  #steps = 0

  constructor(random: Random, schedule: Schedule) {
    this.#random = random
    this.#schedule = schedule
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

  #sleeps({ actor, isTakingOver }: SimEvent): boolean {
    if (!actor.startsWith('owner')) return false
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
    const drawn = actor === 'time' ? TIME_WEIGHT : this.#random.pick(WEIGHTS)
    this.#weights.set(actor, drawn)
    return drawn
  }
}

interface Setup {
  readonly inputs: readonly string[]
  readonly rule: AbortRule
  readonly faults: Faults
  /** From then on nothing goes wrong any more. */
  readonly faultSteps: number
}

const setupOf = (random: Random): Setup => ({
  faults: drawFaults(random),
  inputs: ['a', 'b', 'a', 'c', 'b', 'd'].slice(0, random.between(3, 6)),
  rule: random.pick(['remembers-epoch', 'forgets-epoch']),
  faultSteps: random.pick([40, 80, 160]),
})

const HEAL = 'no more faults'

/** One schedule: the same for the same seed, always. */
export const runSeed = async (seed: number, protocol: Protocol): Promise<Run> => {
  const random = new Random(seed)
  const setup = setupOf(random)
  const schedule = new Schedule({ ...setup, protocol })
  const chooser = new WeightedChooser(random, schedule)
  const keys: string[] = []
  await schedule.run((events) => {
    if (keys.length === setup.faultSteps) {
      schedule.heal()
      keys.push(HEAL)
    }
    const isHealed = keys.length > setup.faultSteps
    if ((isHealed && schedule.isOver) || keys.length > STEPS_MAX) return undefined
    const chosen = chooser.choose(isHealed ? withoutFaults(events) : events)
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
  return { seed, fault: judge(schedule), happened, keys, trace: world.trace, parked: messages }
}

/** The same start, with these events where they are possible, and the plainest ones after them. */
const runKeys = async (seed: number, protocol: Protocol, keys: readonly string[]): Promise<Run> => {
  const random = new Random(seed)
  const schedule = new Schedule({ ...setupOf(random), protocol })
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

/** Leaves out what is not needed for a schedule to go wrong: first long stretches of it, then single events. */
export const shrink = async (run: Run, protocol: Protocol): Promise<Run> => {
  let best = run
  for (let round = 0, size = Math.ceil(run.keys.length / 2); round < ROUNDS_MAX && size >= 1; round++) {
    for (let from = 0; from < best.keys.length; from += size) {
      const keys = [...best.keys.slice(0, from), ...best.keys.slice(from + size)]
      const shorter = await runKeys(run.seed, protocol, keys)
      if (shorter.fault !== undefined && shorter.trace.length <= best.trace.length) best = shorter
    }
    size = Math.floor(size / 2)
  }
  return best
}

/** For a person: what went wrong, with what, and each step. */
export const describeRun = ({ seed, fault, parked, happened, trace }: Run): string =>
  [
    `seed ${seed}: ${fault ?? 'all is well'}`,
    ...parked.map((message) => `parked: ${message}`),
    `faults: ${happened.join('; ') || 'none'}`,
    ...trace,
  ].join('\n')
