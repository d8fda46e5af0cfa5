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
import { surveyState, type StateSurvey } from './state-survey.ts'
import { requireStopped, withMaintenance } from './stopped.ts'

export interface RebuildOptions {
  readonly settings: KafkaSettings
  readonly partition: number
  /** As dedup has it. */
  readonly windowMs: number
  /** Go on although keys are lost that no topic holds any more: repeats of their events will pass. */
  readonly partial: boolean
  readonly dryRun: boolean
  /** A line for whoever watches. */
  readonly progress: (text: string) => void
}

/** How far one clock may have been ahead of another when a key was noted. */
const CLOCK_SLACK_MS = 3_600_000

/**
 * Repairs one partition of the state topic: keys of damaged chunks come from the unique events and the dead letters, a
 * lost position from the group's offsets, which are committed in the same transactions. What is damaged is deleted last,
 * so that dedup does not start before, and a call that was cut off is simply made again. Rejects with a `StateError`
 * when it cannot be done.
 */
export const rebuildState = async (options: RebuildOptions): Promise<void> => {
  const { settings, partition, dryRun, progress } = options
  await withMaintenance(settings, async (maintenance) => {
    const topics = topicNames(settings.topicPrefix)
    const count = await maintenance.partitionCount(topics.seen)
    if (partition >= count) throw new StateError(`${topics.seen} has ${count} partitions, from 0 on.`)
    if (!dryRun) await requireStopped(maintenance)
    const claim = dryRun ? undefined : await maintenance.claim(partition)
    try {
      const survey = await surveyState(maintenance, topics.seen, partition)
      report(survey, topics, progress)
      if (isWhole(survey)) progress('there is nothing to repair')
      else await repair(options, { maintenance, topics, claim }, survey)
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

const isWhole = ({ identity, position, damaged }: StateSurvey): boolean =>
  identity !== undefined && position !== undefined && damaged.length === 0

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

const repair = async (options: RebuildOptions, access: Access, survey: StateSurvey): Promise<void> => {
  const { settings, partition, progress } = options
  const { maintenance, topics, claim } = access
  const state = (record: { readonly key: Buffer; readonly value: Buffer | null }): OutputRecord => ({
    ...{ topic: topics.seen, partition, headers: {} },
    ...record,
  })
  if (!survey.isEmpty && survey.identity === undefined) {
    throw new StateError(
      `${topics.seen}/${partition} does not begin with its identity: delete the topic, create it with \`weir topics\`, ` +
        'and run this for each partition.',
    )
  }
  const position = await positionOf(options, access, survey)
  if (position === undefined) {
    progress('nothing was ever read here: there is nothing to rebuild')
    return
  }
  const since = lostSince(survey, position, options.windowMs)
  if (since !== undefined) await requireDurable(options, maintenance, since)
  if (survey.isEmpty) await claim?.commit([state(encodeIdentity(randomUUID()))])
  if (since !== undefined) {
    progress(`reading the events since ${new Date(since).toISOString()}`)
    const { windowMs } = options
    const lost = new Set(survey.damaged.map(({ key }) => key?.toString() ?? ''))
    const added = await addAbsentKeys(
      { maintenance, claim, topic: topics.seen, partition, position, windowMs, lost },
      (onKeys) => readDurableKeys(maintenance, settings.topicPrefix, partition, since, onKeys),
    )
    progress(`${added} keys ${claim === undefined ? 'would be' : 'are'} noted again`)
  }
  const removed = survey.damaged.flatMap(({ key }) =>
    key === null || isPositionKey(key) ? [] : [state({ key, value: null })],
  )
  await claim?.commit([...removed, state(encodePosition(position))], position.next)
  if (claim !== undefined) progress('done: dedup can start')
}

/** Where to go on; undefined: the partition is new. A position that is damaged may have an older one before it, which does not count. */
const positionOf = async (
  { settings, partition }: RebuildOptions,
  { maintenance, topics }: Access,
  survey: StateSurvey,
): Promise<Position | undefined> => {
  const isDamaged = survey.damaged.some(({ key }) => isPositionKey(key))
  if (survey.position !== undefined && !isDamaged) return survey.position
  const committed = await maintenance.committed([topics.received, topics.dedupReplay], partition)
  const received = committed.get(topics.received)
  if (received === undefined) {
    if (survey.isEmpty) return undefined
    throw new StateError(
      `neither ${topics.seen}/${partition} nor the group says where to go on: restore the topic from a copy.`,
    )
  }
  const { start, end } = await maintenance.range(topics.received, partition)
  if (received < start || received > end) {
    throw new StateError(
      `the group's offset ${received} is not in ${topics.received}/${partition} (${start} to ${end}).`,
    )
  }
  const { topicPartitions: partitions } = settings
  return { next: Object.fromEntries(committed), effectiveTime: Date.now(), rotations: 0, partitions }
}

/** Keys noted before this time are not missing, or have expired; undefined: no key is missing. */
const lostSince = (
  { isEmpty, position, damaged }: StateSurvey,
  { effectiveTime }: Position,
  windowMs: number,
): number | undefined => {
  const { lengthMs } = bucketOf(effectiveTime, windowMs)
  const oldest = effectiveTime - windowMs - lengthMs
  const wasPositionDamaged = damaged.some(({ key }) => isPositionKey(key))
  if (isEmpty || (position === undefined && !wasPositionDamaged)) return oldest - CLOCK_SLACK_MS
  const lost = damaged.filter(({ key }) => !isPositionKey(key))
  if (lost.length === 0) return undefined
  const starts = lost.map(({ key }) => parseBucket(bucketNameOf(key?.toString() ?? '')).start)
  return (
    (starts.every(Number.isSafeInteger) ? Math.max(oldest, Math.min(...starts)) : oldest) - CLOCK_SLACK_MS
  )
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
