import { OFFSETS } from '../model/model-broker.ts'
import type { Random } from '../schedule/random.ts'
import type { Start } from '../schedule/random-schedules.ts'
import { SESSION_MS, TRANSACTION_TIMEOUT_MS } from './processor-member.ts'
import { INPUT, OUTPUT, STARTS, STATE, type TaskKind } from './simulated-task.ts'
import type { Damage } from './processor-judge.ts'
import {
  ProcessorSchedule,
  type Plant,
  type ProcessorFaults,
  type UpstreamStep,
} from './processor-schedule.ts'

const DAMAGES: Readonly<Record<TaskKind, readonly Damage[]>> = {
  keys: [
    'offset deleted',
    'older offset',
    'older state',
    'end of state lost',
    'end of input lost',
    'notes lost',
  ],
  copies: ['offset deleted', 'end of input lost', 'notes lost'],
}
/** With these epochs the producer id changes within the schedule. */
const LAST_EPOCHS = [32_692, 32_697, 32_700]
const FREEZES_MS = [TRANSACTION_TIMEOUT_MS / 3, SESSION_MS * 0.6, SESSION_MS * 1.3, SESSION_MS * 4]

const drawFaults = (random: Random, kind: TaskKind): ProcessorFaults => ({
  joins: random.pick([0, 0, 1]),
  leaves: random.pick([0, 0, 1]),
  kills: random.pick([0, 0, 1, 2]),
  cuts: random.pick([0, 0, 0, 1]),
  freezesMs: Array.from({ length: random.between(0, 3) }, () => random.pick(FREEZES_MS)),
  leaderless: [INPUT, OUTPUT, STATE, STARTS]
    .map((topic) => `${topic}/0`)
    .concat(OFFSETS)
    .filter(() => random.chance(0.15)),
  omissions: random.pick([0, 0, 0, 1]),
  reloads: random.pick([0, 0, 0, 1]),
  damage: random.chance(0.4) ? random.pick(DAMAGES[kind]) : undefined,
})

/** Single records and transactions, one of which may be aborted or stay open for a long time. */
const drawUpstream = (random: Random, kind: TaskKind): UpstreamStep[] => {
  const steps: UpstreamStep[] = []
  const count = random.between(3, 7)
  let isOpen = false
  for (let i = 0; i < count; i++) {
    // Keys may repeat. Copied values are distinct.
    const value = kind === 'keys' ? random.pick(['a', 'b', 'c', 'd', 'e']) : `v${i}`
    const isInTransaction = random.chance(0.4)
    steps.push(isInTransaction ? { kind: 'send', value } : { kind: 'record', value })
    isOpen ||= isInTransaction
    if (isOpen && random.chance(0.6)) {
      steps.push({ kind: 'end', outcome: random.pick(['commit', 'commit', 'abort']) })
      isOpen = false
    }
  }
  return isOpen ? [...steps, { kind: 'end', outcome: 'commit' }] : steps
}

/** Schedules of the product, or of the product with a planted defect. */
export const processors =
  (plant?: Plant): Start =>
  (random) => {
    const kind: TaskKind = random.chance(0.6) ? 'keys' : 'copies'
    const faults = drawFaults(random, kind)
    const epochBefore = random.pick([
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
      ...LAST_EPOCHS,
    ])
    return {
      schedule: new ProcessorSchedule({
        kind,
        rule: random.pick(['remembers-epoch', 'forgets-epoch']),
        // A lost marker of an earlier producer id can never be replaced.
        epochBefore: faults.damage === 'end of state lost' ? undefined : epochBefore,
        upstream: drawUpstream(random, kind),
        faults,
        random,
        ...(plant && { plant }),
      }),
      faultSteps: random.pick([150, 300, 500]),
      weights: { time: random.pick([0.02, 0.1, 0.5]), upstream: random.pick([0.02, 0.1, 1]) },
    }
  }
