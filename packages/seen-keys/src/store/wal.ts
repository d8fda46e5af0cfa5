import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { ENTRY_BYTES } from '../sorted-runs/key-table.ts'
import type { StoreChange } from './store-change.ts'

/**
 * Write-ahead log: the changes since the last sorted run was written, one record per committed transaction, in order:
 *
 *   bytes (uint32), CRC-32 of the rest, bytes of the text (uint32), the change as JSON, its entries
 *
 * A record that a kill cut off ends the file; everything before it is an earlier state.
 */
const HEAD_BYTES = 12

type StoredChange = Omit<StoreChange, 'added' | 'stateOffset'> & {
  /** State offset of the previous record. A file that does not continue there is not used. */
  readonly after: string
  readonly stateOffset: string
  readonly added: readonly (Omit<StoreChange['added'][number], 'entries'> & { readonly entries: number })[]
}

export class Wal {
  readonly #fd: number

  constructor(file: string) {
    this.#fd = openSync(file, 'a', 0o600)
  }

  append(after: bigint, change: StoreChange): void {
    const added = change.added.map((one) => ({ ...one, entries: one.entries.length / ENTRY_BYTES }))
    const stored: StoredChange = {
      ...change,
      after: String(after),
      stateOffset: String(change.stateOffset),
      added,
    }
    const text = Buffer.from(JSON.stringify(stored))
    const head = Buffer.alloc(HEAD_BYTES)
    const record = Buffer.concat([head, text, ...change.added.map(({ entries }) => entries)])
    record.writeUInt32LE(record.length, 0)
    record.writeUInt32LE(text.length, 8)
    record.writeUInt32LE(crc32(record.subarray(8)), 4)
    for (let at = 0; at < record.length;) at += writeSync(this.#fd, record, at)
  }

  close(): void {
    closeSync(this.#fd)
  }
}

/** The changes of a file up to its end or to a damage, each with the state offset that it follows. */
export const readWal = function* (
  file: string,
): Iterable<{ readonly after: bigint; readonly change: StoreChange }> {
  const bytes = readFileSync(file)
  for (let at = 0; at + HEAD_BYTES <= bytes.length;) {
    const length = bytes.readUInt32LE(at)
    if (length < HEAD_BYTES || at + length > bytes.length) return
    const record = bytes.subarray(at, at + length)
    if (crc32(record.subarray(8)) !== record.readUInt32LE(4)) return
    const textEnd = HEAD_BYTES + record.readUInt32LE(8)
    const stored = JSON.parse(record.toString('utf8', HEAD_BYTES, textEnd)) as StoredChange
    let entriesAt = textEnd
    const added = stored.added.map((one) => {
      const entries = record.subarray(entriesAt, entriesAt + one.entries * ENTRY_BYTES)
      entriesAt += entries.length
      return { ...one, entries }
    })
    const { after, ...rest } = stored
    yield { after: BigInt(after), change: { ...rest, stateOffset: BigInt(stored.stateOffset), added } }
    at += length
  }
}
