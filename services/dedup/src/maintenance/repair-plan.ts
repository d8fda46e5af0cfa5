import type { TopicNames } from '@weir/contracts'
import { beginningOf, StateError, type LogRange, type Maintenance, type Start } from '@weir/kafka'
import { isPositionKey, type Position } from '@weir/seen-keys'
import type { StateSurvey } from './state-survey.ts'

/** The sources that say where to continue in one input topic. */
export interface InputTruth {
  readonly topic: string
  /** Offset in the state. */
  readonly position: bigint | undefined
  /** Offset of the group. Both commit in one transaction. */
  readonly committed: bigint | undefined
  /** Offset that was recorded when the partition was first started. */
  readonly start: Start | undefined
  readonly range: LogRange
}

export interface InputPlan {
  readonly topic: string
  /** Where to continue. */
  readonly next: bigint
  /**
   * Records before `next` that the state does not know: dedup must have decided about each, or they are read again.
   */
  readonly skipped: { readonly from: bigint; readonly to: bigint } | undefined
  /** Keys may be missing that were recorded after the state's position. */
  readonly isStateOlder: boolean
  /** Nothing has to be changed here. */
  readonly isWhole: boolean
  /** A sentence for the operator. */
  readonly why: string
  /** Records are lost for good. */
  readonly isLossy: boolean
}

/** Uses the last position. When that one is damaged, an older position before it does not count. */
export const ownPosition = ({ position, damaged }: StateSurvey): Position | undefined =>
  damaged.some(({ key }) => isPositionKey(key)) ? undefined : position

export const readTruths = async (
  maintenance: Maintenance,
  { received, dedupReplay, starts }: TopicNames,
  survey: StateSurvey,
): Promise<readonly InputTruth[]> => {
  const { partition } = survey
  const inputs = [received, dedupReplay]
  const committed = await maintenance.committed(inputs, partition)
  const started = await maintenance.starts(starts, inputs, partition)
  const own = ownPosition(survey)
  const truths = inputs.map(async (topic) => ({
    topic,
    position: own?.next[topic],
    committed: committed.get(topic),
    start: started.get(topic),
    range: await maintenance.range(topic, partition),
  }))
  return Promise.all(truths)
}

/** The state and the group have the same offset of an input. */
export const isSound = ({ position, committed, start }: InputTruth): boolean =>
  ['new', 'known'].includes(beginningOf({ position: position ?? 'nothing read', committed, start }).kind)

/**
 * The later offset when the two differ: the records between them were decided in transactions whose other record is
 * lost. Without either, the beginning of the log: because the state has all keys, events that were decided before are
 * found as duplicates.
 */
export const planInput = (truth: InputTruth): InputPlan => {
  const { topic, position, committed, range } = truth
  const known = [position, committed].filter((offset) => offset !== undefined)
  const latest = known.reduce((a, b) => (a > b ? a : b), -1n)
  const isWhole = isSound(truth)
  const isInRange = latest >= range.start && latest <= range.end
  const isStateOlder = position === undefined || committed === undefined || committed > position
  const skipped =
    isInRange && position !== undefined && committed !== undefined && committed > position
      ? { from: position > range.start ? position : range.start, to: committed }
      : undefined
  const says = `the state is at ${position ?? 'no position'}, the group's offset is ${committed ?? 'none'}`
  const log = `the log has ${range.start} to ${range.end}`
  const plan = { topic, skipped, isStateOlder: !isWhole && isStateOlder }
  if (isInRange) return { ...plan, isWhole, isLossy: false, next: latest, why: says }
  return {
    ...plan,
    isWhole: isWhole && latest < 0n,
    isLossy: latest >= 0n,
    next: range.start,
    why: `${says}, ${log}`,
  }
}

const LOOK_OFFSETS = 64n
const LOOK_FACTOR = 32n

/** Timestamp (broker's clock) of the last record before an offset; 0 when there is none. */
export const lastTimeBefore = async (
  maintenance: Maintenance,
  topic: string,
  partition: number,
  offset: bigint,
): Promise<number> => {
  const { start } = await maintenance.range(topic, partition)
  for (let look = LOOK_OFFSETS; start < offset; look *= LOOK_FACTOR) {
    const from = offset - look > start ? offset - look : start
    let last = 0
    const take = (records: readonly { readonly timestamp: number }[]) => {
      last = records.at(-1)!.timestamp
    }
    await maintenance.read(topic, partition, from, take, offset)
    if (last > 0 || from === start) return last
  }
  return 0
}

export const requireAccepted = (plans: readonly InputPlan[], partition: number, partial: boolean): void => {
  for (const { topic, why, isLossy, next } of plans) {
    if (!isLossy || partial) continue
    throw new StateError(
      `${topic}/${partition}: ${why}: records were deleted before they were read. Continue at ${next} with --partial.`,
    )
  }
}
