import type { InputBatch, Task, RestoreContext, ProcessedBatch } from '../../processor/task.ts'
import type { OutputRecord } from '../../protocol/record.ts'
import { textOf } from '../model/model-record.ts'

export const INPUT = 'received'
export const OUTPUT = 'unique'
export const STATE = 'seen'
export const STARTS = 'started'
const POSITION = 'position'

/** keys: like dedup, with a state of seen keys and a position. copies: like the normalizer, without state. */
export type TaskKind = 'keys' | 'copies'

const outputOf = (topic: string, partition: number, key: string, value: string): OutputRecord => ({
  topic,
  partition,
  headers: {},
  key: Buffer.from(key),
  value: Buffer.from(value),
})

/** `onEffect`: an effect outside Kafka, allowed only while no successor can exist. */
export const openSimulatedTask = (kind: TaskKind, onEffect: () => void): Task =>
  kind === 'keys' ? new KeyTask(onEffect) : new CopyTask(onEffect)

/** Writes each key once. */
class KeyTask implements Task {
  readonly #onEffect: () => void
  readonly #seen = new Set<string>()

  constructor(onEffect: () => void) {
    this.#onEffect = onEffect
  }

  async restore({ state }: RestoreContext): Promise<ReadonlyMap<string, bigint | undefined>> {
    let position: bigint | undefined
    await state!.read(state!.logStartOffset, (records) => {
      for (const { key, value } of records) {
        if (textOf(key) === POSITION) position = BigInt(textOf(value))
        else this.#seen.add(textOf(key))
      }
    })
    return new Map([[INPUT, position]])
  }

  process({ partition, records, nextOffset, ownershipIsFresh }: InputBatch): Promise<ProcessedBatch> {
    const keys = [...new Set(records.map(({ value }) => textOf(value)))].filter((key) => !this.#seen.has(key))
    if (ownershipIsFresh()) this.#onEffect()
    return Promise.resolve({
      outputs: [
        ...keys.flatMap((key) => [
          outputOf(OUTPUT, partition, key, key),
          outputOf(STATE, partition, key, 'seen'),
        ]),
        outputOf(STATE, partition, POSITION, String(nextOffset)),
      ],
      committed: () => {
        for (const key of keys) this.#seen.add(key)
      },
    })
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

class CopyTask implements Task {
  readonly #onEffect: () => void

  constructor(onEffect: () => void) {
    this.#onEffect = onEffect
  }

  restore(): Promise<ReadonlyMap<string, bigint | undefined>> {
    return Promise.resolve(new Map())
  }

  process({ partition, records, ownershipIsFresh }: InputBatch): Promise<ProcessedBatch> {
    if (ownershipIsFresh()) this.#onEffect()
    const outputs = records.map(({ value }) => outputOf(OUTPUT, partition, textOf(value), textOf(value)))
    return Promise.resolve({ outputs })
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}
