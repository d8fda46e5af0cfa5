import type { ModelBroker } from '../model/model-broker.ts'
import { decodeRecord, textOf } from '../model/model-record.ts'
import { GROUP } from '../owners/owner-actor.ts'
import { INPUT, OUTPUT, STATE, type TaskKind } from './simulated-task.ts'

/** Damage to the brokers' data while no process runs; `offset deleted` also while one runs. */
export type Damage =
  'offset deleted' | 'older offset' | 'older state' | 'end of state lost' | 'end of input lost' | 'notes lost'

interface JudgedProcessor {
  readonly broker: ModelBroker
  readonly kind: TaskKind
  readonly damage: Damage | undefined
  readonly violations: readonly string[]
  readonly parked: readonly { readonly process: string; readonly message: string }[]
  readonly happened: readonly unknown[]
  readonly ownerIsParked: boolean
  readonly isDone: boolean
}

const STATE_FAULTS: readonly Damage[] = ['older state', 'end of state lost', 'older offset']

/** The damage that justifies each message of a parked partition. */
const REASONS: readonly { readonly message: RegExp; readonly isDue: (of: JudgedProcessor) => boolean }[] = [
  { message: /is gone|has no offset any more/, isDue: ({ damage }) => damage === 'offset deleted' },
  {
    message: /the state is at/,
    isDue: ({ damage }) => damage !== undefined && STATE_FAULTS.includes(damage),
  },
  {
    message: /is not in the log|does not have offset/,
    isDue: ({ damage }) => damage === 'end of input lost',
  },
  // Requires two suspended owners at once: see decision 30.
  {
    message: /were never ended/,
    isDue: ({ damage, happened }) => damage === 'end of state lost' || happened.length > 1,
  },
]

const valuesOf = ({ broker }: JudgedProcessor, topic: string): string[] =>
  broker
    .log(`${topic}/0`)
    .visible()
    .map(({ value }) => textOf(decodeRecord(value).value))

/** Distinct input values, and the first of them that is not readable on the output. */
export const passedOn = (schedule: JudgedProcessor) => {
  const outputs = valuesOf(schedule, OUTPUT)
  const expected = [...new Set(valuesOf(schedule, INPUT))]
  return { outputs, expected, lost: expected.find((key) => !outputs.includes(key)) }
}

/** The fault at the end of a schedule, if any, found by reading the logs as a consumer would. */
export const judgeProcessor = (schedule: JudgedProcessor): string | undefined => {
  const { broker, kind, parked } = schedule
  const [violation] = schedule.violations
  if (violation !== undefined) return violation
  const { outputs, expected, lost } = passedOn(schedule)
  const repeated = outputs.find((key, index) => outputs.indexOf(key) !== index)
  if (repeated !== undefined) return `${repeated} is repeated`
  const undue = parked.find(
    ({ message }) => !REASONS.some((reason) => reason.message.test(message) && reason.isDue(schedule)),
  )
  if (undue !== undefined) return `${undue.process} is parked without a reason: ${undue.message}`
  if (schedule.ownerIsParked) return undefined
  if (!schedule.isDone) return 'it does not come to rest'
  if (lost !== undefined) return `${lost} is lost`
  // The lost input was processed before.
  const isLost = schedule.damage === 'end of input lost'
  const known = isLost ? outputs.filter((key) => expected.includes(key)) : outputs
  if (known.join() !== expected.join()) return `outputs ${outputs.join()} of ${expected.join()}`
  if (kind === 'copies') return undefined
  const state = broker
    .log(`${STATE}/0`)
    .visible()
    .map((record) => decodeRecord(record.value))
    .map(({ key, value }) => [textOf(key), textOf(value)] as const)
  const keys = state.filter(([, value]) => value === 'seen').map(([key]) => key)
  if (keys.join() !== outputs.join()) return `keys ${keys.join()} of ${outputs.join()}`
  const position = state.findLast(([key]) => key === 'position')?.[1] ?? '0'
  const committed = broker.committedOffset(GROUP, `${INPUT}/0`)?.offset
  // The offset was deleted while the owner had nothing left to commit.
  if (committed === undefined || position === String(committed)) return undefined
  return isHarmless(schedule, Number(position), committed)
    ? undefined
    : `position ${position}, committed offset ${committed}`
}

/** After this damage a task continues without parking if no readable record lies between the two offsets. */
const isHarmless = ({ broker, damage }: JudgedProcessor, position: number, committed: number): boolean => {
  if (damage === undefined || !STATE_FAULTS.includes(damage)) return false
  const [from, end] = position < committed ? [position, committed] : [committed, position]
  const readable = broker.log(`${INPUT}/0`).visible()
  return !readable.some(({ offset }) => offset >= from && offset < end)
}
