import { setTimeout as sleep } from 'node:timers/promises'
import { TOPIC_SPECS, topicNames, type TopicNames } from '@weir/contracts'
import { StateError, type Claim, type KafkaSettings, type Maintenance } from '@weir/kafka'
import { encodeIdentity, encodePosition, type Position } from '@weir/seen-keys'
import { randomUUID } from 'node:crypto'
import { requireNoIngress } from './running-ingress.ts'
import { copyChunks } from './copy-chunks.ts'
import { moveBacklog } from './move-backlog.ts'
import { isSound, readTruths } from './repair-plan.ts'
import { requireStopped, withMaintenance } from './stopped.ts'
import { requireUnchanged, surveyState, type StateSurvey } from './state-survey.ts'

export interface RepartitionOptions {
  /** `topicPartitions` is ignored, because the state holds the old partition count. */
  readonly settings: KafkaSettings
  /** The new partition count. */
  readonly to: number
  readonly dryRun: boolean
  /** Receives a line of progress. */
  readonly progress: (text: string) => void
}

/** Old and new partition count, and what exists of the new partitions. */
interface Plan {
  readonly from: number
  readonly to: number
  readonly topics: TopicNames
  /** State of the existing partitions, by number. */
  readonly surveys: readonly StateSurvey[]
}

/**
 * How long no event may arrive before anything is changed, because a running ingress would continue with the old
 * count.
 */
const QUIET_MS = 3_000

/**
 * Adds partitions to every co-partitioned topic and gives each partition the keys that its events may meet. An
 * interrupted call continues when it is repeated, and no dedup starts before it has finished. Rejects with a
 * `StateError`, before anything is changed, when it cannot work.
 *
 * A key alone does not tell to which partition its events go, only to which they cannot go: each partition gets the
 * keys of all partitions whose number is the same modulo the greatest common divisor of both counts. An extra key
 * costs memory until it expires, and never loses an event.
 */
export const repartition = async (options: RepartitionOptions): Promise<void> => {
  const { settings, to, dryRun, progress } = options
  await withMaintenance(settings, async (maintenance) => {
    const topics = topicNames(settings.topicPrefix)
    const plan = await planOf(maintenance, topics, to, progress)
    const { from } = plan
    if (plan.surveys.every(({ position }) => position?.partitions === to)) {
      progress(`the keys are already spread over ${to} partitions`)
      return
    }
    progress(`from ${from} to ${to} partitions: the keys of each are copied to ${to / gcd(from, to)} of them`)
    await reportBacklog(maintenance, plan, progress)
    if (dryRun) return
    await requireStopped(maintenance)
    await requireNoIngress(settings)
    await requireQuiet(maintenance, topics.received, from)
    for (const survey of plan.surveys) await mark(maintenance, plan, survey)
    await addPartitions(maintenance, settings.topicPrefix, to)
    progress('the partitions have been added to the topics')
    // The old partitions come last: while one of them is marked, no dedup takes an added partition for a new one.
    for (let partition = to - 1; partition >= 0; partition--) {
      await fill(maintenance, plan, partition, progress)
    }
    progress(`done: set TOPIC_PARTITIONS=${to} for every service`)
  })
}

export const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b))

const planOf = async (
  maintenance: Maintenance,
  topics: TopicNames,
  to: number,
  progress: (text: string) => void,
): Promise<Plan> => {
  const count = await maintenance.partitionCount(topics.seen)
  const surveys: StateSurvey[] = []
  for (let partition = 0; partition < count; partition++) {
    const survey = await surveyState(maintenance, topics.seen, partition)
    surveys.push(survey)
    progress(`${topics.seen}/${partition}: ${survey.keys} keys`)
  }
  const positions = surveys.flatMap(({ position }) => (position === undefined ? [] : [position]))
  const from = Math.min(count, ...positions.flatMap(({ partitions }) => partitions ?? []))
  const other = positions.find(({ becoming }) => becoming !== undefined && becoming !== to)?.becoming
  if (other !== undefined) {
    throw new StateError(
      `the keys are being moved to ${other} partitions: finish that first, with --to ${other}.`,
    )
  }
  if (to < from) throw new StateError(`there are ${from} partitions: Kafka can only add partitions.`)
  for (const survey of surveys.slice(0, from)) {
    const { partition, damaged, isEmpty, identity, position } = survey
    const isRead = damaged.length === 0 && identity !== undefined && position !== undefined
    const truths = await readTruths(maintenance, topics, survey)
    if ((isEmpty || isRead) && truths.every(isSound)) continue
    throw new StateError(
      `${topics.seen}/${partition} is damaged: run \`weir dedup rebuild-state --partition ${partition}\` first.`,
    )
  }
  return { from, to, topics, surveys }
}

const reportBacklog = async (
  maintenance: Maintenance,
  { from, topics, surveys }: Plan,
  progress: (text: string) => void,
): Promise<void> => {
  let backlog = 0n
  for (const { partition, position } of surveys.slice(0, from)) {
    for (const topic of [topics.received, topics.dedupReplay]) {
      const { start, end } = await maintenance.range(topic, partition)
      backlog += end - (position?.next[topic] ?? start)
    }
  }
  if (backlog > 0n) progress(`up to ${backlog} unread records are moved to their new partitions`)
}

const requireQuiet = async (maintenance: Maintenance, topic: string, partitions: number): Promise<void> => {
  const ends = async (): Promise<readonly bigint[]> => {
    const all: bigint[] = []
    for (let partition = 0; partition < partitions; partition++) {
      all.push((await maintenance.range(topic, partition)).end)
    }
    return all
  }
  const before = await ends()
  await sleep(QUIET_MS)
  const after = await ends()
  if (after.some((end, partition) => end !== before[partition])) {
    throw new StateError(`events still arrive in ${topic}: stop every ingress first.`)
  }
}

/** From here on no other task continues from this position. */
const mark = async (
  maintenance: Maintenance,
  { from, to, topics }: Plan,
  survey: StateSurvey,
): Promise<void> => {
  const { partition, position } = survey
  if (position?.partitions === to || position?.becoming === to) return
  const claim = await maintenance.claim(partition)
  try {
    await requireUnchanged(maintenance, topics.seen, survey)
    if (position === undefined) return
    await writePosition(claim, topics, partition, { ...position, partitions: from, becoming: to })
  } finally {
    await claim.close()
  }
}

const writePosition = async (
  claim: Claim,
  { seen }: TopicNames,
  partition: number,
  position: Position,
): Promise<void> => {
  const state = { topic: seen, partition, headers: {}, ...encodePosition(position) }
  // The position and the group's offset must always be equal.
  await claim.commit([state], position.next)
}

const addPartitions = async (maintenance: Maintenance, prefix: string, to: number): Promise<void> => {
  const missing: string[] = []
  for (const { name, coPartitioned } of TOPIC_SPECS) {
    if (coPartitioned && (await maintenance.partitionCount(prefix + name)) < to) missing.push(prefix + name)
  }
  await maintenance.addPartitions(missing, to)
}

/** Gives a partition all keys that its events may meet, forwards its backlog, and lets dedup continue with it. */
const fill = async (
  maintenance: Maintenance,
  plan: Plan,
  partition: number,
  progress: (text: string) => void,
): Promise<void> => {
  const { from, to, topics, surveys } = plan
  const step = gcd(from, to)
  const sources = surveys
    .slice(0, from)
    .filter((survey) => survey.partition % step === partition % step && survey.position !== undefined)
  // Reads the state again, because an earlier call may have got further than the plan shows.
  const own = await surveyState(maintenance, topics.seen, partition)
  if (sources.length === 0 || own.position?.partitions === to) return
  const claim = await maintenance.claim(partition)
  try {
    await requireUnchanged(maintenance, topics.seen, own)
    if (own.isEmpty) {
      const identity = encodeIdentity(randomUUID())
      await claim.commit([{ topic: topics.seen, partition, headers: {}, ...identity }])
    }
    const others = sources.filter((source) => source.partition !== partition)
    for (const source of others) {
      const copied = await copyChunks(maintenance, claim, {
        topic: topics.seen,
        source: source.partition,
        target: partition,
        mark: `${from}to${to}`,
      })
      progress(`${topics.seen}/${partition}: ${copied} records from ${source.partition}`)
    }
    const position = own.position ?? (await newPosition(maintenance, topics, partition))
    const next =
      partition < from
        ? await moveBacklog(maintenance, claim, { topics, partition, to, position })
        : position.next
    const effectiveTime = Math.max(
      position.effectiveTime,
      ...sources.map((source) => source.position!.effectiveTime),
    )
    const { rotations } = position
    await writePosition(claim, topics, partition, {
      next,
      effectiveTime,
      rotations,
      partitions: to,
      ...(position.repairs !== undefined && { repairs: position.repairs }),
    })
  } finally {
    await claim.close()
  }
}

/** Position of a partition that has not been read yet. */
const newPosition = async (
  maintenance: Maintenance,
  { received, dedupReplay }: TopicNames,
  partition: number,
): Promise<Position> => {
  const next: Record<string, bigint> = {}
  for (const topic of [received, dedupReplay]) next[topic] = (await maintenance.range(topic, partition)).start
  return { next, effectiveTime: 0, rotations: 0 }
}
