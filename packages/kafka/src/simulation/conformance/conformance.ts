import { IMPOSSIBLE_EPOCH } from '../../transactions/transaction-view.ts'
import type { Outcome } from '../model/model-log.ts'

/** Which of the producer's epochs a request carries: the one it was given last, or one before or after that. */
export type EpochOffset = -2 | -1 | 0 | 1

/** One request, or a wait. */
export type Step =
  | { readonly kind: 'init' }
  | { readonly kind: 'swap'; readonly epoch: EpochOffset | 'impossible' }
  | { readonly kind: 'add'; readonly partition: number; readonly epoch: EpochOffset }
  | { readonly kind: 'add-offsets'; readonly epoch: EpochOffset }
  | { readonly kind: 'produce'; readonly partition: number; readonly epoch: EpochOffset }
  | { readonly kind: 'offsets'; readonly epoch: EpochOffset }
  | { readonly kind: 'end'; readonly outcome: Outcome; readonly epoch: EpochOffset }
  | {
      readonly kind: 'marker'
      readonly partition: number
      readonly outcome: Outcome
      readonly epoch: EpochOffset
    }
  | { readonly kind: 'time-out' }

/** Given by the brokers under test. `name` is an error's name as kafkajs has it. */
export type Answer<T = undefined> = { readonly value: T } | { readonly error: string }

export interface Given {
  readonly producerId: number
  readonly epoch: number
}

/** Real brokers or the model: one transactional id, `PARTITIONS` partitions of one topic, one group. */
export interface BrokerUnderTest {
  init(timeoutMs: number, expected?: Given): Promise<Answer<Given>>
  add(own: Given, partition: number): Promise<Answer>
  addOffsets(own: Given): Promise<Answer>
  produce(own: Given, partition: number, value: string): Promise<Answer<number>>
  commitOffsets(own: Given, offset: number): Promise<Answer>
  end(own: Given, outcome: Outcome): Promise<Answer>
  marker(own: Given, partition: number, outcome: Outcome): Promise<Answer>
  /** Resolves when no end of a transaction is under way; after a time-out when `isTimedOut`. */
  rest(isTimedOut: boolean): Promise<void>
  /**
   * State and epoch at the coordinator; producers, open transactions and readable values per partition; the group's
   * offset.
   */
  observe(): Promise<unknown>
}

export const PARTITIONS = 2
const SHORT_MS = 1_500
const LONG_MS = 60_000
/** Kafka compares it with the current epoch and the last one: it is neither. */

/** Carries out a script and notes each answer and all that can be seen after it. */
export const runScript = async (broker: BrokerUnderTest, script: readonly Step[]): Promise<string[]> => {
  const lines: string[] = []
  let given: Given = { producerId: -1, epoch: -1 }
  let firstId: number | undefined
  const idOf = (id: number): number => (firstId === undefined ? id : id - firstId)
  const own = (offset: EpochOffset): Given => ({ ...given, epoch: Math.max(0, given.epoch + offset) })
  for (const [index, step] of script.entries()) {
    const answer = await ask(
      broker,
      step,
      own,
      index,
      script[index + 1]?.kind === 'time-out' || isBeforeTimeOut(script, index),
    )
    if ((step.kind === 'init' || step.kind === 'swap') && 'value' in answer) {
      given = answer.value as Given
      firstId ??= given.producerId
    }
    await broker.rest(step.kind === 'time-out')
    const text = JSON.stringify(answer, (key, value: unknown) =>
      key === 'producerId' ? idOf(value as number) : value,
    )
    lines.push(`${JSON.stringify(step)} -> ${text}`, `  ${JSON.stringify(await broker.observe())}`)
  }
  return lines
}

/** The transaction that this step begins is to be ended by its time-out. */
const isBeforeTimeOut = (script: readonly Step[], index: number): boolean =>
  script.slice(index + 1, index + 5).some(({ kind }) => kind === 'time-out')

const ask = (
  broker: BrokerUnderTest,
  step: Step,
  own: (offset: EpochOffset) => Given,
  index: number,
  isShort: boolean,
): Promise<Answer<unknown>> => {
  switch (step.kind) {
    case 'init':
      return broker.init(isShort ? SHORT_MS : LONG_MS)
    case 'swap': {
      const { producerId } = own(0)
      const epoch = step.epoch === 'impossible' ? IMPOSSIBLE_EPOCH : own(step.epoch).epoch
      return broker.init(isShort ? SHORT_MS : LONG_MS, { producerId, epoch })
    }
    case 'add':
      return broker.add(own(step.epoch), step.partition)
    case 'add-offsets':
      return broker.addOffsets(own(step.epoch))
    case 'produce':
      return broker.produce(own(step.epoch), step.partition, `v${index}`)
    case 'offsets':
      return broker.commitOffsets(own(step.epoch), index)
    case 'end':
      return broker.end(own(step.epoch), step.outcome)
    case 'marker':
      return broker.marker(own(step.epoch), step.partition, step.outcome)
    case 'time-out':
      return Promise.resolve({ value: undefined })
  }
}
