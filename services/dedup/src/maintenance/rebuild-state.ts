import { randomUUID } from 'node:crypto'
import { topicNames, type TopicNames } from '@weir/contracts'
import { StateError, type Claim, type KafkaSettings, type Maintenance, type OutputRecord } from '@weir/kafka'
import {
  bucketNameOf,
  bucketOf,
  encodeIdentity,
  encodePosition,
  isPositionKey,
  parseBucket,
  type Position,
} from '@weir/seen-keys'
import { durableSince, readDurableKeys } from './durable-keys.ts'
import { addAbsentKeys } from './absent-keys.ts'
import {
  lastTimeBefore,
  ownPosition,
  planInput,
  readTruths,
  requireAccepted,
  type InputPlan,
} from './repair-plan.ts'
import { surveyState, type StateSurvey } from './state-survey.ts'
import { requireStopped, withMaintenance } from './stopped.ts'

export interface RebuildOptions {
  readonly settings: KafkaSettings
  readonly partition: number
  /** Must match dedup's own value. */
  readonly windowMs: number
  /** Continue although keys are lost that no topic holds any more. Repeats of their events will pass. */
  readonly partial: boolean
  readonly dryRun: boolean
  /** Receives a line of progress. */
  readonly progress: (text: string) => void
}

/** How far one clock may have been ahead of another when a key was recorded. */
const CLOCK_SLACK_MS = 3_600_000

/**
 * Repairs one partition of the changelog. Keys of damaged chunks, and keys that an older copy lacks, are read from the
 * unique events and the dead letters. A lost or older position is read from the group's offsets, which commit in the
 * same transactions; lost offsets are read from the position. Damaged records are deleted last, so that dedup cannot
 * start before, and an interrupted call can simply be repeated. Rejects with a `StateError` when the repair is
 * impossible.
 */
export const rebuildState = async (options: RebuildOptions): Promise<void> => {
  const { settings, partition, dryRun, progress } = options
  await withMaintenance(settings, async (maintenance) => {
    const topics = topicNames(settings.topicPrefix)
    const count = await maintenance.partitionCount(topics.seen)
    if (partition >= count) throw new StateError(`${topics.seen} has ${count} partitions, numbered from 0.`)
    if (!dryRun) await requireStopped(maintenance)
    const claim = dryRun ? undefined : await maintenance.claim(partition)
    try {
      const survey = await surveyState(maintenance, topics.seen, partition)
      report(survey, topics, progress)
      const truths = await readTruths(maintenance, topics, survey)
      const plans = truths.map(planInput)
      if (survey.isEmpty && plans.every((plan) => plan.isWhole))
        progress('dedup has never read here, so there is nothing to rebuild')
      else if (isWhole(survey, plans)) progress('there is nothing to repair')
      else await repair(options, { maintenance, topics, claim }, survey, plans)
    } finally {
      await claim?.close()
    }
  })
}

interface Access {
  readonly maintenance: Maintenance
  readonly topics: TopicNames
  /** undefined: nothing is written. */
  readonly claim: Claim | undefined
}

const isWhole = ({ identity, position, damaged }: StateSurvey, plans: readonly InputPlan[]): boolean =>
  identity !== undefined &&
  position !== undefined &&
  damaged.length === 0 &&
  plans.every((plan) => plan.isWhole)

const report = (
  { partition, keys, damaged, isEmpty }: StateSurvey,
  { seen }: TopicNames,
  progress: (text: string) => void,
): void => {
  progress(isEmpty ? `${seen}/${partition} is empty` : `${seen}/${partition}: ${keys} keys can be read`)
  for (const { offset, message, key } of damaged) {
    progress(`${seen}/${partition}, offset ${offset}: ${message} (${key?.toString() ?? 'no key'})`)
  }
}

const repair = async (
  options: RebuildOptions,
  access: Access,
  survey: StateSurvey,
  plans: readonly InputPlan[],
): Promise<void> => {
  const { partition, progress, windowMs } = options
  const { maintenance, topics, claim } = access
  const state = (record: { readonly key: Buffer; readonly value: Buffer | null }): OutputRecord => ({
    topic: topics.seen,
    partition,
    headers: {},
    ...record,
  })
  if (!survey.isEmpty && survey.identity === undefined) {
    throw new StateError(
      `${topics.seen}/${partition} does not begin with its identity: delete the topic, create it with \`weir topics\`, ` +
        'and run this for each partition.',
    )
  }
  for (const { topic, why } of plans) progress(`${topic}/${partition}: ${why}`)
  requireAccepted(plans, partition, options.partial)
  const position = await positionOf(options, access, survey, plans)
  const since = lostSince(survey, plans, position, windowMs)
  if (since !== undefined) await requireDurable(options, maintenance, since)
  if (survey.isEmpty) await claim?.commit([state(encodeIdentity(randomUUID()))])
  let next = position.next
  if (since !== undefined) {
    progress(`reading the events since ${new Date(since).toISOString()}`)
    const lost = new Set(survey.damaged.map(({ key }) => key?.toString() ?? ''))
    const found = await addAbsentKeys(
      { maintenance, claim, topic: topics.seen, partition, position, windowMs, lost },
      (onKeys) => readDurableKeys(maintenance, options.settings.topicPrefix, partition, since, onKeys),
      plans,
    )
    progress(`${found.added} keys ${claim === undefined ? 'would be' : 'are'} written again`)
    for (const { topic, undecided, from } of found.undecided) {
      next = { ...next, [topic]: from }
      progress(
        `${topic}/${partition}: ${undecided} records before the group's offset were not decided, because the offset was moved. Continuing ` +
          `at ${from}; events that were decided there are found as duplicates and counted again`,
      )
    }
  }
  const removed = survey.damaged.flatMap(({ key }) =>
    key === null || isPositionKey(key) ? [] : [state({ key, value: null })],
  )
  await claim?.commit([...removed, state(encodePosition({ ...position, next }))], next)
  for (const [topic, offset] of Object.entries(next)) {
    progress(
      `${topic}/${partition}: dedup ${claim === undefined ? 'would continue' : 'continues'} at ${offset}`,
    )
  }
  if (claim !== undefined) progress('done: dedup can start')
}

/** The repaired state, at the time of its inputs. Earlier checkpoints do not belong to it. */
const positionOf = async (
  { settings, partition }: RebuildOptions,
  { maintenance }: Access,
  survey: StateSurvey,
  plans: readonly InputPlan[],
): Promise<Position> => {
  const own = ownPosition(survey)
  const times = plans.map(({ topic, next }) => lastTimeBefore(maintenance, topic, partition, next))
  const effectiveTime = Math.max(own?.effectiveTime ?? 0, ...(await Promise.all(times)))
  return {
    rotations: 0,
    partitions: settings.topicPartitions,
    ...own,
    next: Object.fromEntries(plans.map(({ topic, next }) => [topic, next])),
    effectiveTime: effectiveTime === 0 ? Date.now() : effectiveTime,
    repairs: (own?.repairs ?? 0) + 1,
  }
}

/** Keys that were recorded before this time are present or have expired; undefined: no key is missing. */
const lostSince = (
  survey: StateSurvey,
  plans: readonly InputPlan[],
  { effectiveTime }: Position,
  windowMs: number,
): number | undefined => {
  const { lengthMs } = bucketOf(effectiveTime, windowMs)
  const oldest = effectiveTime - windowMs - lengthMs
  const own = ownPosition(survey)
  const since: number[] = []
  if (survey.isEmpty) since.push(oldest)
  // Keys that were recorded after this copy of the state.
  else if (plans.some(({ isStateOlder }) => isStateOlder)) since.push(own?.effectiveTime ?? oldest)
  const lost = survey.damaged.filter(({ key }) => !isPositionKey(key))
  if (lost.length > 0) {
    const starts = lost.map(({ key }) => parseBucket(bucketNameOf(key?.toString() ?? '')).start)
    since.push(starts.every(Number.isSafeInteger) ? Math.max(oldest, Math.min(...starts)) : oldest)
  }
  return since.length === 0 ? undefined : Math.min(...since) - CLOCK_SLACK_MS
}

const requireDurable = async (
  { settings, partition, partial, progress }: RebuildOptions,
  maintenance: Maintenance,
  since: number,
): Promise<void> => {
  const complete = await durableSince(maintenance, settings.topicPrefix, partition)
  if (complete <= since) return
  const text =
    `keys since ${new Date(since).toISOString()} are lost, and the topics hold events since ` +
    `${new Date(complete).toISOString()} only: repeats of those between will pass to the sinks, whose unique key stops them`
  if (!partial) throw new StateError(`${text}. Accept that with --partial.`)
  progress(text)
}
