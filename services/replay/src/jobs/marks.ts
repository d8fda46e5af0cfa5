import type { DeadLetterStage, DeadLetterStatus } from '@weir/contracts'

/** Letters of one block. Each takes two bits. */
const BLOCK_LETTERS = 4_096
const BLOCK_BYTES = BLOCK_LETTERS / 4
const CODES = ['pending_inspection', 'replayed', 'discarded'] as const satisfies readonly DeadLetterStatus[]

export interface MarksRecord {
  readonly key: Buffer
  readonly value: Buffer
}

const PREFIX = 'marks|'

/**
 * The status of each letter, because a letter itself cannot be changed: two bits for each offset, in blocks that are
 * records of a compacted topic. Ten million letters take 2.5 MB.
 */
export class Marks {
  readonly #blocks = new Map<string, Buffer>()

  statusOf(stage: DeadLetterStage, partition: number, offset: bigint): DeadLetterStatus {
    const block = this.#blocks.get(blockKey(stage, partition, offset))
    return block === undefined ? CODES[0] : (CODES[codeAt(block, offset)] ?? CODES[0])
  }

  /** Applies a record of the topic, if it holds marks. */
  restore(key: Buffer | null, value: Buffer | null): void {
    const name = key?.toString() ?? ''
    if (!name.startsWith(PREFIX)) return
    if (value === null) this.#blocks.delete(name)
    else if (value.length === BLOCK_BYTES) this.#blocks.set(name, Buffer.from(value))
  }

  /** Returns the records that give these letters a status. Does not change the marks in memory. */
  records(
    stage: DeadLetterStage,
    letters: readonly { readonly partition: number; readonly offset: bigint }[],
    status: DeadLetterStatus,
  ): readonly MarksRecord[] {
    const changed = new Map<string, Buffer>()
    for (const { partition, offset } of letters) {
      const key = blockKey(stage, partition, offset)
      const block = changed.get(key) ?? Buffer.from(this.#blocks.get(key) ?? Buffer.alloc(BLOCK_BYTES))
      setCode(block, offset, CODES.indexOf(status))
      changed.set(key, block)
    }
    return [...changed].map(([key, value]) => ({ key: Buffer.from(key), value }))
  }
}

const blockKey = (stage: DeadLetterStage, partition: number, offset: bigint): string =>
  `${PREFIX}${stage}|${partition}|${offset / BigInt(BLOCK_LETTERS)}`

const placeOf = (offset: bigint): { byte: number; shift: number } => {
  const at = Number(offset % BigInt(BLOCK_LETTERS))
  return { byte: at >> 2, shift: 2 * (at & 3) }
}

const codeAt = (block: Buffer, offset: bigint): number => {
  const { byte, shift } = placeOf(offset)
  return (block[byte]! >> shift) & 3
}

const setCode = (block: Buffer, offset: bigint, code: number): void => {
  const { byte, shift } = placeOf(offset)
  block[byte] = (block[byte]! & ~(3 << shift)) | (code << shift)
}
