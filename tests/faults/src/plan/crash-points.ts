import type { ServiceName } from '@weir/contracts'
import type { StartStep } from '@weir/kafka'
import type { BrokerRole } from './step.ts'

/** One row, or part of a row, of the table of crash points in docs/faults.md. */
export interface CrashPoint {
  readonly id: string
  /** What happens, and what must follow. */
  readonly what: string
  readonly expected: string
  readonly by: CrashedBy
}

export type CrashedBy =
  /** `passes`: the range that the number of the pass is drawn from. */
  | {
      readonly kind: 'failpoint'
      readonly service: ServiceName
      readonly failpoint: string
      readonly action: 'kill' | 'pause' | 'throw'
      readonly passes: readonly [from: number, to: number]
      /**
       * Of a kill: the delay is drawn from 0 up to it. Of a pause: its length; undefined: the tier's, or that of a
       * freeze.
       */
      readonly ms?: number
      /**
       * Between the assignment of a partition and its first transaction: it sleeps until the partition belongs to
       * another, who has written.
       */
      readonly isFreeze?: true
    }
  | { readonly kind: 'broker'; readonly role: BrokerRole }
  | { readonly kind: 'server'; readonly server: 'postgres' | 'registry' }
  | { readonly kind: 'over-budget' }

const kill = (
  service: ServiceName,
  step: string,
  passes: readonly [number, number] = [2, 30],
  ms?: number,
): CrashedBy => ({
  kind: 'failpoint',
  service,
  failpoint: `${service}.${step}`,
  action: 'kill',
  passes,
  ...(ms !== undefined && { ms }),
})

/**
 * What a process has done last when it falls asleep between the assignment of a partition and its first transaction.
 */
const START_STEPS = {
  assigned: 'the group has confirmed the partition',
  'decision-read': 'it knows how the last transaction ended',
  'shut-out': 'the owner before can write no more',
  'open-listed': 'it knows what the brokers left open',
  fenced: 'it has an epoch of its own',
  barrier: 'it has written the barrier',
  'offsets-read': 'it has read the committed offsets',
  restored: 'it has restored its state',
  positioned: 'it knows where to go on',
  begin: 'it has taken the first batch',
} satisfies Record<Exclude<StartStep, 'marked'> | 'begin', string>

const freezesOf = (service: ServiceName): readonly CrashPoint[] =>
  Object.entries(START_STEPS)
    // Only dedup has a state topic, and so a barrier.
    .filter(([step]) => step !== 'barrier' || service === 'dedup')
    .map(([step, done]) => ({
      id: `${service}-frozen-${step}`,
      what: `${service} starts, and sleeps for longer than a session when ${done}`,
      expected: 'another goes on; what the sleeper does when it wakes is refused',
      by: {
        ...({ kind: 'failpoint', service, failpoint: `${service}.${step}`, action: 'pause' } as const),
        passes: [1, 3] as const,
        isFreeze: true as const,
      },
    }))

const NEVER_VISIBLE = 'aborted by the successor or after the transaction timeout; never visible'
const AS_DEDUP = 'as the same step of dedup'

export const CRASH_POINTS: readonly CrashPoint[] = [
  {
    id: 'ingress-before-produce',
    what: 'ingress is killed before it produces',
    expected: 'no 2xx; the sender tries again',
    by: kill('ingress', 'before-produce', [50, 500]),
  },
  {
    id: 'ingress-appended',
    what: 'ingress is killed when the brokers have the record, before the 2xx',
    expected: 'a duplicate, which dedup drops',
    by: kill('ingress', 'appended', [50, 500]),
  },
  {
    id: 'ingress-answered',
    what: 'ingress is killed after the 2xx',
    expected: 'nothing',
    by: kill('ingress', 'answered', [50, 500]),
  },
  {
    id: 'ingress-over-budget',
    what: 'the brokers do not acknowledge within the budget (two are stopped)',
    expected: '503 with Retry-After; at most a duplicate',
    by: { kind: 'over-budget' },
  },
  {
    id: 'dedup-before-begin',
    what: 'dedup is killed before it begins the transaction',
    expected: 'read again',
    by: kill('dedup', 'begin'),
  },
  {
    id: 'dedup-part-sent',
    what: 'dedup is killed when part of outputs and state is sent',
    expected: NEVER_VISIBLE,
    by: kill('dedup', 'part-sent'),
  },
  {
    id: 'dedup-outputs-sent',
    what: 'dedup is killed when all outputs are sent, the offsets not',
    expected: NEVER_VISIBLE,
    by: kill('dedup', 'outputs-sent'),
  },
  {
    id: 'dedup-offsets-sent',
    what: 'dedup is killed when the offsets are sent, before the commit',
    expected: NEVER_VISIBLE,
    by: kill('dedup', 'offsets-sent'),
  },
  {
    id: 'dedup-committing',
    what: 'dedup is killed while the commit is under way',
    expected: 'committed or aborted; the successor reads which',
    by: kill('dedup', 'offsets-sent', [2, 30], 10),
  },
  {
    id: 'dedup-reply-lost',
    what: 'the reply to dedup’s commit is lost',
    expected: 'offsets are fetched and state restored; nothing is sent again from memory',
    by: {
      kind: 'failpoint',
      service: 'dedup',
      failpoint: 'dedup.committed',
      action: 'throw',
      passes: [2, 30],
    },
  },
  {
    id: 'dedup-committed',
    what: 'dedup is killed when the commit is acknowledged, before its memory has it',
    expected: 'restored from the state topic',
    by: kill('dedup', 'committed'),
  },
  {
    id: 'dedup-restoring',
    what: 'dedup is killed while it restores state',
    expected: 'unready, and nothing consumed, until it is restored',
    by: kill('dedup', 'restoring', [1, 1]),
  },
  {
    id: 'dedup-zombie-idle',
    what: 'dedup is paused before a transaction until its partitions have a new owner',
    expected: 'fenced: it commits nothing when it wakes',
    by: { kind: 'failpoint', service: 'dedup', failpoint: 'dedup.begin', action: 'pause', passes: [2, 30] },
  },
  {
    id: 'dedup-zombie-committing',
    what: 'dedup is paused in a transaction until its partitions have a new owner',
    expected: 'fenced; readers wait no longer than the transaction timeout',
    by: {
      kind: 'failpoint',
      service: 'dedup',
      failpoint: 'dedup.offsets-sent',
      action: 'pause',
      passes: [2, 30],
    },
  },
  {
    id: 'dead-letter-sent',
    what: 'dedup is killed when a dead letter is sent, before the commit',
    expected: 'the letter is in the transaction of the offset: once',
    by: kill('dedup', 'letters-sent', [1, 3]),
  },
  ...(['begin', 'part-sent', 'outputs-sent', 'offsets-sent', 'committed'] as const).map((step) => ({
    id: `normalizer-${step}`,
    what: `normalizer is killed at the step ${step}`,
    expected: AS_DEDUP,
    by: kill('normalizer', step),
  })),
  {
    id: 'persistence-writing',
    what: 'persistence is killed while the database transaction is under way',
    expected: 'rolled back or committed; redelivered, no second row',
    by: kill('persistence', 'before-write', [2, 30], 15),
  },
  {
    id: 'persistence-written',
    what: 'persistence is killed when the rows are committed and the offset is not',
    expected: 'redelivered; no row changes',
    by: kill('persistence', 'written'),
  },
  {
    id: 'persistence-committed',
    what: 'persistence is killed when the offset is committed',
    expected: 'nothing',
    by: kill('persistence', 'committed'),
  },
  {
    id: 'metric-export-written',
    what: 'metric-export is killed when the points are written and the offset is not',
    expected: 'the same points are written again',
    by: kill('metric-export', 'written', [1, 6]),
  },
  {
    id: 'broker-leader',
    what: 'the broker that leads a partition of the received webhooks is killed',
    expected: 'a stall of session timeout and election; nothing lost',
    by: { kind: 'broker', role: 'leader' },
  },
  {
    id: 'transaction-coordinator',
    what: 'the broker that coordinates a transactional id of dedup is killed',
    expected: 'the producer is discarded and the partition restored',
    by: { kind: 'broker', role: 'transaction-coordinator' },
  },
  {
    id: 'group-coordinator',
    what: 'the broker that coordinates the group of dedup is killed',
    expected: 'the members find the new one',
    by: { kind: 'broker', role: 'group-coordinator' },
  },
  {
    id: 'postgres',
    what: 'PostgreSQL is killed',
    expected: 'recovery from its log; rows wait, none is lost or doubled',
    by: { kind: 'server', server: 'postgres' },
  },
  {
    id: 'registry',
    what: 'the schema registry is killed',
    expected: 'schemas that are known are used, else the partition waits; no dead letter',
    by: { kind: 'server', server: 'registry' },
  },
  ...(['dedup', 'normalizer', 'persistence', 'metric-export'] as const).flatMap(freezesOf),
]

/** Rows of the table whose process does not exist yet: never counted as hit. */
export const NOT_BUILT: readonly { readonly id: string; readonly what: string }[] = [
  { id: 'mongo-mid-bulk', what: 'the MongoDB sink is killed in the middle of a bulk write' },
  { id: 'replayer', what: 'the replay service is killed after it produced, before it marked the letter' },
  { id: 'console', what: 'the console is killed' },
]
