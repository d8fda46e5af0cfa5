import { fileURLToPath } from 'node:url'
import { Random } from '@weir/truth'
import { CRASH_POINTS } from '../plan/crash-points.ts'
import type { Aftermath } from '../plan/phases.ts'
import { SHORT_PAUSE_MS, visitOf } from '../plan/plan.ts'
import type { Fault, Lane, Step } from '../plan/step.ts'
import { SESSION_MS } from '../rig/layout.ts'
import type { MutationName } from './mutations.ts'

/** A fault of the product itself, and the run that must find it. */
export interface Defect {
  readonly name: string
  readonly what: string
  /** undefined: it is done to the pipeline from outside. */
  readonly mutation?: MutationName
  readonly env: Readonly<Record<string, string>>
  readonly lanes: readonly Lane[]
  /** What is done once all is quiet, instead of faults under load. */
  readonly aftermath?: Aftermath
  /** The rig's own list and readers have it as well, so that nothing of the product can see it. */
  readonly isInRig?: boolean
}

const ZOMBIE_MS = 9_000
const SEED = 1
const PASSES_MAX = 30

const steps = (faults: readonly Fault[]): readonly Step[] =>
  faults.map((fault, index) => ({
    at: Math.round(((index + 1) / (faults.length + 1)) * 100) / 100,
    ...fault,
  }))

const visit = (id: string, zombieMs = ZOMBIE_MS): Fault =>
  visitOf(
    CRASH_POINTS.find((point) => point.id === id)!,
    { zombieMs, passesMax: PASSES_MAX, sessionMs: SESSION_MS },
    new Random(SEED, id),
  )

const lane = (target: string, faults: readonly Fault[]): Lane => ({ target, steps: steps(faults) })
const visits = (id: string, count: number, zombieMs?: number): readonly Fault[] =>
  Array.from({ length: count }, () => visit(id, zombieMs))

const at = (failpoint: string, action: string, pauseMs: number, count: number): readonly Fault[] =>
  Array.from({ length: count }, () => ({
    ...({ kind: 'failpoint', point: failpoint, failpoint, how: 'SIGTERM' } as const),
    spec: `${failpoint}:${action}`,
    ends: false,
    pauseMs,
  }))
/** As if a step had failed: the transaction is aborted and its process lives on. */
const thrown = (failpoint: string, count: number): readonly Fault[] => at(failpoint, 'throw:8', 0, count)
const paused = (failpoint: string, ms: number, count: number): readonly Fault[] =>
  at(failpoint, `pause:8:${ms}`, ms, count)

const planted = (
  mutation: MutationName,
  what: string,
  lanes: readonly Lane[],
  env: Readonly<Record<string, string>> = {},
): Defect => ({
  name: mutation,
  mutation,
  what,
  lanes,
  env: { ...env, WEIR_PROFILE: 'dev', WEIR_DEFECT: mutation },
})

export const DEFECTS: readonly Defect[] = [
  planted('acks1', 'ingress produces with acks=1', [
    lane('servers', [
      { kind: 'leader-kill-alone', pauseMs: 3_000 },
      { kind: 'leader-kill-alone', pauseMs: 3_000 },
    ]),
  ]),
  planted('ack_before_produce', 'ingress answers 2xx before it produces', [
    lane('ingress-1', [{ kind: 'kill' }, { kind: 'kill' }]),
    lane('ingress-2', [{ kind: 'kill' }]),
    lane('servers', [{ kind: 'brokers-pause', ms: 7_000 }]),
  ]),
  planted('bloom_only', 'dedup drops what the filter calls perhaps seen', [lane('dedup-1', [])], {
    DEDUP_FILTER_ERROR_RATE: '0.1',
  }),
  planted('memory_before_commit', 'dedup remembers keys before their transaction is committed', [
    lane('dedup-1', thrown('dedup.outputs-sent', 3)),
    lane('dedup-2', thrown('dedup.offsets-sent', 3)),
  ]),
  planted('random_transactional_id', 'each producer has a transactional id of its own', [
    lane('dedup-1', visits('dedup-zombie-idle', 2)),
    lane('normalizer-1', visits('normalizer-offsets-sent', 1)),
  ]),
  planted('offset_before_db', 'persistence commits the offset before the rows', [
    lane('persistence-1', visits('persistence-committed', 2)),
    lane('servers', [{ kind: 'server-kill', server: 'postgres', downMs: 3_000 }]),
  ]),
  planted('read_uncommitted', 'consumers read what is not committed', [
    lane('dedup-1', visits('dedup-outputs-sent', 2)),
    lane('normalizer-1', visits('normalizer-outputs-sent', 2)),
  ]),
  // Aborted by its time-out while its owner stays the owner: paused longer than the one and shorter than a session.
  planted(
    'assume_committed',
    'a commit whose reply is lost counts as committed',
    [
      lane('dedup-1', paused('dedup.offsets-sent', 6_500, 2)),
      lane('dedup-2', paused('dedup.offsets-sent', 6_500, 2)),
    ],
    { KAFKA_TRANSACTION_TIMEOUT_MS: '5000', KAFKA_SESSION_TIMEOUT_MS: '20000' },
  ),
  planted('resend_from_memory', 'after a lost reply the same transaction is sent again', [
    lane('dedup-1', visits('dedup-reply-lost', 2)),
    lane('dedup-2', visits('dedup-reply-lost', 1)),
  ]),
  planted('offsets_first', 'offsets are committed before the outputs that they stand for are sent', [
    lane('normalizer-1', visits('normalizer-part-sent', 2)),
    lane('normalizer-2', visits('normalizer-outputs-sent', 2)),
  ]),
  planted('send_ignored', 'a transaction is committed although part of it was not sent', [
    // A part of a transaction is lost only where a leader is gone and both coordinators are not.
    lane(
      'servers',
      Array.from({ length: 5 }, () => ({ kind: 'broker-kill', role: 'leader', downMs: 8_000 })),
    ),
  ]),
  planted(
    'idempotent_lanes',
    'ingress counts on sequence numbers that a request without an answer takes back',
    [
      lane('servers', [
        { kind: 'brokers-pause', ms: SHORT_PAUSE_MS },
        { kind: 'brokers-pause', ms: SHORT_PAUSE_MS },
        { kind: 'brokers-pause', ms: SHORT_PAUSE_MS },
      ]),
    ],
  ),
  {
    ...planted('wrong_dedup_key', 'the key of a call’s step lacks its sequence', [lane('dedup-1', [])]),
    isInRig: true,
  },
  {
    ...planted('reader_skips', 'the product’s reader skips one record of 97', [lane('dedup-1', [])]),
    isInRig: true,
  },
  planted('sink_drops_last', 'the first batch after the database was away loses its last row', [
    lane(
      'servers',
      Array.from({ length: 4 }, () => ({ kind: 'server-kill', server: 'postgres', downMs: 3_000 })),
    ),
  ]),
  planted('no_partition_check', 'dedup takes events from partitions that are not their keys’', [
    lane('dedup-1', []),
  ]),
  {
    ...planted('absence_is_beginning', 'a stage whose group has no offset any more begins again', []),
    aftermath: 'deleted-group',
  },
  {
    ...planted('position_alone', 'dedup goes on from its state, whatever the group’s offset is', []),
    aftermath: 'older-state',
  },
  planted('second_key', 'a second row of one body is stored under another key', [lane('dedup-1', [])]),
  {
    name: 'replay_into_raw',
    what: 'a replay writes to the topic of received webhooks, with new keys',
    env: {},
    lanes: [lane('servers', [{ kind: 'replay-into-raw', records: 50 }])],
  },
]

/** Arguments of node that plant it; which one it is, WEIR_DEFECT or `--defect` says. */
export const defectCommand = (defect: Defect | undefined): readonly string[] =>
  defect?.mutation === undefined ? [] : ['--import', fileURLToPath(new URL('plant.ts', import.meta.url))]
