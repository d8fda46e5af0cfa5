import { DEAD_LETTER_STAGES } from './dead-letter-stages.ts'

/**
 * Every topic of Weir. No other place has topic names.
 *
 * Co-partitioned topics have one partition count, which only `weir dedup repartition` may change: partition p of
 * `received`, `unique`, `seen`, `stats`, the replay and the dead-letter topics belong together, and each of them is
 * written only by the owner of input partition p.
 */
interface Spec<Role extends string> {
  readonly role: Role
  /** Name without the deployment's prefix. */
  readonly name: string
  /** The record key, which decides the partition. */
  readonly key: string
  /**
   * `delete` topics keep records for a time; `compact` topics keep the last record of each key without a time limit.
   */
  readonly cleanup: 'delete' | 'compact'
  /** -1: no limit. */
  readonly retentionMs: number
  /** True: one partition for each partition of `webhooks.received.v1`. False: one partition. */
  readonly coPartitioned: boolean
}

const DAY_MS = 86_400_000

const spec = <Role extends string>(
  role: Role,
  name: string,
  key: string,
  cleanup: Spec<Role>['cleanup'] = 'delete',
  retentionDays = 7,
  coPartitioned = true,
): Spec<Role> => ({
  role,
  name,
  key,
  cleanup,
  retentionMs: cleanup === 'compact' ? -1 : retentionDays * DAY_MS,
  coPartitioned,
})

/**
 * All topics use `message.timestamp.type=LogAppendTime`, the broker's clock, so a sender cannot turn back the time of a
 * partition.
 */
const SPECS = [
  spec('received', 'webhooks.received.v1', 'entity key'),
  spec('unique', 'webhooks.unique.v1', 'entity key'),
  spec('seen', 'dedup.seen.v1', '`identity`, `position`, `barrier` or `chunk|...`', 'compact'),
  spec('stats', 'dedup.stats.v1', '`source|window start`', 'delete', 30),
  spec('duplicates', 'dedup.duplicates.v1', 'entity key', 'delete', 1),
  spec('normalized', 'interactions.normalized.v1', 'entity key'),
  spec('shapes', 'normalizer.shapes.v1', 'partition of the input', 'delete', 7, false),
  spec('schemasObserved', 'schemas.observed.v1', '`source|event type|fingerprint`', 'compact', 0, false),
  spec('schemasApproved', 'schemas.approved.v1', '`source|fingerprint`', 'compact', 0, false),
  spec('replayCommands', 'replay.commands.v1', 'job id', 'delete', 7, false),
  spec('replayState', 'replay.state.v1', '`job|...` or `marks|...`', 'compact', 0, false),
  spec('starts', 'stages.started.v1', '`group|topic`', 'compact'),
  spec('settings', 'deployment.settings.v1', '`setting|...` or `ingress|...`', 'compact', 0, false),
  { ...spec('auditLog', 'audit.log.v1', 'writer', 'delete', 0, false), retentionMs: -1 },
]

/** The topics of the dead letters of each stage. */
const STAGE_SPECS = Object.entries(DEAD_LETTER_STAGES).flatMap(([stage, { letters, replay }]) => [
  spec(letters, `${stage}.dlq.v1`, 'entity key', 'delete', 30),
  spec(replay, `${stage}.replay.v1`, 'entity key', 'delete', 30),
])

export type TopicRole = (typeof SPECS)[number]['role'] | (typeof STAGE_SPECS)[number]['role']
export type TopicSpec = Spec<TopicRole>
export const TOPIC_SPECS: readonly TopicSpec[] = [...SPECS, ...STAGE_SPECS]

export type TopicNames = Readonly<Record<TopicRole, string>>

/**
 * The topic names of a deployment. With a `prefix`, which is normally empty, deployments and tests can share a cluster.
 */
export const topicNames = (prefix = ''): TopicNames =>
  Object.freeze(Object.fromEntries(TOPIC_SPECS.map((s) => [s.role, prefix + s.name]))) as TopicNames
