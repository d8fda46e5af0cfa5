import { OFFSETS } from '../model/model-broker.ts'
import { SEEN, UNIQUE, type Protocol } from './owner-actor.ts'
import { OwnerSchedule, type OwnerFaults } from './owner-schedule.ts'
import type { Random } from '../schedule/random.ts'
import type { Start } from '../schedule/random-schedules.ts'

const NO_FAULTS: OwnerFaults = {
  successors: 0,
  kills: 0,
  cuts: 0,
  leaderless: [],
  omissions: 0,
  timeOuts: 0,
  reloads: 0,
}

/** A third of the seeds has all kinds of faults. The others have few, so that those coincide more often. */
const drawFaults = (random: Random): OwnerFaults => {
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

/** Schedules of owners with this protocol. */
export const owners =
  (protocol: Protocol): Start =>
  (random) => ({
    schedule: new OwnerSchedule({
      faults: drawFaults(random),
      inputs: ['a', 'b', 'a', 'c', 'b', 'd'].slice(0, random.between(3, 6)),
      rule: random.pick(['remembers-epoch', 'forgets-epoch']),
      protocol,
    }),
    faultSteps: random.pick([40, 80, 160]),
    weights: { time: 0.5 },
  })
