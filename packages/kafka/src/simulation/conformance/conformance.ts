import { IMPOSSIBLE_EPOCH } from '../../transactions/transaction-view.ts'
import type { Outcome } from '../model/model-log.ts'

/** The epoch that a request carries, relative to the last epoch that the producer received. */
export type EpochOffset = -2 | -1 | 0 | 1

/** One request, or one wait. */
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

/** The response of the brokers under test. `name` is the error name in kafkajs. */
export type Answer<T = undefined> = { readonly value: T } | { readonly error: string }

export interface Given {
  readonly producerId: number
  readonly epoch: number
}

/** Real brokers or the model, with one transactional id, one topic of `PARTITIONS` partitions and one group. */
export interface BrokerUnderTest {
  init(timeoutMs: number, expected?: Given): Promise<Answer<Given>>
  add(own: Given, partition: number): Promise<Answer>
  addOffsets(own: Given): Promise<Answer>
  produce(own: Given, partition: number, value: string): Promise<Answer<number>>
  commitOffsets(own: Given, offset: number): Promise<Answer>
  end(own: Given, outcome: Outcome): Promise<Answer>
  marker(own: Given, partition: number, outcome: Outcome): Promise<Answer>
  /** Resolves when the coordinator is ending no transaction; after a timeout if `isTimedOut`. */
  rest(isTimedOut: boolean): Promise<void>
  /**
   * The state and epoch at the coordinator; producers, open transactions and readable values per partition; and the
   * group's offset.
   */
  observe(): Promise<unknown>
}

export const PARTITIONS = 2
const SHORT_MS = 1_500
const LONG_MS = 60_000
/** Differs from the current and the last epoch, with which Kafka compares it. */

/** Runs a script and records each response and the visible state after it. */
export const runScript = async (broker: BrokerUnderTest, script: readonly Step[]): Promise<string[]> => {
  const lines: string[] = []
  let given: Given = { producerId: -1, epoch: -1 }
  let firstId: number | undefined
  const idOf = (id: number): number => (firstId === undefined ? id : id - firstId)
  const own = (offset: EpochOffset): Given => ({ ...given, epoch: Math.max(0, given.epoch + offset) })
  for (const [index, step] of script.entries()) {
    const response = await ask(
      broker,
      step,
      own,
      index,
      script[index + 1]?.kind === 'time-out' || isBeforeTimeOut(script, index),
    )
    if ((step.kind === 'init' || step.kind === 'swap') && 'value' in response) {
      given = response.value as Given
      firstId ??= given.producerId
    }
    await broker.rest(step.kind === 'time-out')
    const text = JSON.stringify(response, (key, value: unknown) =>
      key === 'producerId' ? idOf(value as number) : value,
    )
    lines.push(`${JSON.stringify(step)} -> ${text}`, `  ${JSON.stringify(await broker.observe())}`)
  }
  return lines
}

/** True if the transaction that this step begins must end by its timeout. */
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
