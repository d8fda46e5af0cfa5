import { PARTITIONS, type EpochOffset, type Step } from './conformance.ts'
import { Random } from '../schedule/random.ts'

const transaction = (partition: number): readonly Step[] => [
  { kind: 'add', partition, epoch: 0 },
  { kind: 'produce', partition, epoch: 0 },
]

/** The broker behaviour on which the takeover relies, with the responses that matter. */
export const SCRIPTS: readonly {
  readonly name: string
  readonly script: readonly Step[]
  /** Lines that the responses must contain, so a change of both model and brokers is noticed. */
  readonly contains: readonly string[]
}[] = [
  {
    name: 'a swap after a commit happens once, and a second one counts as a repeat',
    script: [
      { kind: 'init' },
      { kind: 'init' },
      ...transaction(0),
      { kind: 'end', outcome: 'commit', epoch: 0 },
      { kind: 'swap', epoch: 0 },
      { kind: 'swap', epoch: -1 },
      { kind: 'swap', epoch: -2 },
    ],
    contains: [
      '{"kind":"swap","epoch":0} -> {"value":{"producerId":0,"epoch":2}}',
      '{"kind":"swap","epoch":-1} -> {"value":{"producerId":0,"epoch":2}}',
      '{"kind":"swap","epoch":-2} -> {"error":"PRODUCER_FENCED"}',
    ],
  },
  {
    name: 'a swap from the epoch of a timed-out transaction counts as a repeat',
    script: [{ kind: 'init' }, ...transaction(0), { kind: 'time-out' }, { kind: 'swap', epoch: 0 }],
    contains: ['{"kind":"swap","epoch":0} -> {"value":{"producerId":0,"epoch":1}}'],
  },
  {
    name: 'an init after a timeout returns the epoch after the next',
    script: [{ kind: 'init' }, ...transaction(0), { kind: 'time-out' }, { kind: 'init' }],
    contains: ['{"kind":"init"} -> {"value":{"producerId":0,"epoch":2}}'],
  },
  {
    name: 'a swap from an impossible epoch aborts an ongoing transaction, and has no effect otherwise',
    script: [
      { kind: 'init' },
      { kind: 'swap', epoch: 'impossible' },
      ...transaction(0),
      { kind: 'swap', epoch: 'impossible' },
      { kind: 'swap', epoch: 'impossible' },
    ],
    contains: [
      '{"kind":"swap","epoch":"impossible"} -> {"error":"CONCURRENT_TRANSACTIONS"}',
      '{"kind":"swap","epoch":"impossible"} -> {"error":"PRODUCER_FENCED"}',
    ],
  },
  {
    name: 'markers of an earlier, the same and a later epoch on an open transaction',
    script: [
      { kind: 'init' },
      ...transaction(0),
      { kind: 'marker', partition: 0, outcome: 'commit', epoch: -1 },
      { kind: 'marker', partition: 0, outcome: 'commit', epoch: 0 },
      { kind: 'marker', partition: 0, outcome: 'abort', epoch: 0 },
      { kind: 'init' },
      { kind: 'init' },
      { kind: 'marker', partition: 0, outcome: 'abort', epoch: 0 },
      { kind: 'marker', partition: 0, outcome: 'abort', epoch: -1 },
      ...transaction(0),
      { kind: 'marker', partition: 0, outcome: 'abort', epoch: 1 },
      { kind: 'produce', partition: 0, epoch: 0 },
    ],
    contains: [
      '{"kind":"marker","partition":0,"outcome":"abort","epoch":-1} -> {"error":"INVALID_PRODUCER_EPOCH"}',
    ],
  },
  {
    name: 'no record is written outside a transaction or after a fence',
    script: [
      { kind: 'init' },
      { kind: 'produce', partition: 0, epoch: 0 },
      { kind: 'offsets', epoch: 0 },
      { kind: 'add-offsets', epoch: 0 },
      { kind: 'offsets', epoch: 0 },
      { kind: 'end', outcome: 'commit', epoch: 0 },
      ...transaction(1),
      { kind: 'init' },
      { kind: 'init' },
      { kind: 'produce', partition: 1, epoch: -2 },
      { kind: 'end', outcome: 'commit', epoch: -2 },
      { kind: 'add', partition: 0, epoch: -2 },
    ],
    contains: [],
  },
]

const OFFSETS: readonly EpochOffset[] = [0, 0, 0, 0, 0, 0, -1, -2, 1]
const STEPS = 24

/** Requests of one producer id in random order, from owners of several epochs. */
export const randomScript = (seed: number): readonly Step[] => {
  const random = new Random(seed)
  const epoch = () => random.pick(OFFSETS)
  const partition = () => random.between(0, PARTITIONS - 1)
  const outcome = () => random.pick(['commit', 'abort'] as const)
  const steps: (() => Step)[] = [
    () => ({ kind: 'init' }),
    () => ({ kind: 'swap', epoch: random.pick([0, -1, -2, 'impossible'] as const) }),
    ...Array.from({ length: 3 }, () => (): Step => ({ kind: 'add', partition: partition(), epoch: epoch() })),
    ...Array.from({ length: 4 }, () => (): Step => ({
      kind: 'produce',
      partition: partition(),
      epoch: epoch(),
    })),
    () => ({ kind: 'add-offsets', epoch: epoch() }),
    () => ({ kind: 'offsets', epoch: epoch() }),
    ...Array.from({ length: 2 }, () => (): Step => ({ kind: 'end', outcome: outcome(), epoch: epoch() })),
    () => ({
      kind: 'marker',
      partition: partition(),
      outcome: outcome(),
      epoch: random.pick([0, -1, 1] as const),
    }),
  ]
  return [{ kind: 'init' }, ...Array.from({ length: STEPS }, () => random.pick(steps)())]
}
