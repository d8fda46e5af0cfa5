import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { Book } from '../book.ts'
import { RECEIVED, SEEN, type DumpedRecord } from './dump.ts'
import type { Findings } from '../findings.ts'
import type { RepeatedContent } from '../repeated-content.ts'

const KEY_BYTES = 16
/** A key and 8 bytes of the body's hash. */
const ENTRY_BYTES = 24
const HEAD_BYTES = 5
const CHUNK_FORMAT = 2
const DERIVED = new Map([
  ['key_conflict', 'conflict'],
  ['wrong_partition', 'misplaced'],
  ['content_repeated', 'content'],
])

/** What dedup holds of the keys that it let pass, read from its compacted topic: the last record of each key counts. */
export class SeenState {
  readonly #prefix: string
  readonly #contents: RepeatedContent
  /** By partition and record key. */
  readonly #last = new Map<
    string,
    { readonly partition: number; readonly key: Buffer; readonly value: string }
  >()
  readonly #committed = new Map<number, number>()
  /** Hex keys that are held besides those of unique events: of letters. */
  readonly #ofLetters = new Set<string>()

  constructor(prefix: string, contents: RepeatedContent) {
    this.#prefix = prefix
    this.#contents = contents
  }

  take({ partition, key = '', value }: DumpedRecord): void {
    const id = `${partition} ${key}`
    if (value === undefined) this.#last.delete(id)
    else this.#last.set(id, { partition, key: Buffer.from(key, 'base64'), value })
  }

  committed(partition: number, offset: number): void {
    this.#committed.set(partition, offset)
  }

  /**
   * A letter of an event's other body, of repeated content, or of a record in a wrong partition, is held under a key of
   * its own: sha256(what it is, NUL, event key, body hash), truncated.
   */
  addLetter(reason: string, key: string, bodyHash: string | undefined): void {
    const kind = DERIVED.get(reason)
    if (kind === undefined) return void this.#ofLetters.add(key)
    const hash = createHash('sha256').update(`${kind}\0`).update(Buffer.from(key, 'hex'))
    hash.update(Buffer.from(bodyHash ?? '', 'base64'))
    this.#ofLetters.add(hash.digest('hex').slice(0, 2 * KEY_BYTES))
  }

  /** Marks every event whose key is held, and finds keys of nothing, damage, and positions that differ. */
  settle(book: Book, findings: Findings, isWhole: boolean): void {
    for (const { partition, key, value } of this.#last.values()) {
      const name = key.toString()
      if (name.startsWith('chunk|'))
        this.#chunk(partition, key, Buffer.from(value, 'base64'), book, findings, isWhole)
      if (name === 'position') this.#position(partition, Buffer.from(value, 'base64').toString(), findings)
    }
  }

  #chunk(
    partition: number,
    key: Buffer,
    value: Buffer,
    book: Book,
    findings: Findings,
    isWhole: boolean,
  ): void {
    const entries = value.subarray(HEAD_BYTES)
    const isSound =
      value[0] === CHUNK_FORMAT &&
      entries.length % ENTRY_BYTES === 0 &&
      crc32(entries, crc32(key)) === value.readUInt32LE(1)
    if (!isSound) {
      findings.add('wrong', `a chunk of ${SEEN}/${partition} is damaged: ${key.toString()}`)
      return
    }
    for (let at = 0; at < entries.length; at += ENTRY_BYTES) {
      const held = entries.toString('hex', at, at + KEY_BYTES)
      const event = book.events.get(held)
      if (event !== undefined) {
        event.isSeen = true
        if (event.partition !== partition)
          findings.add('wrong', `${SEEN}/${partition} holds the key ${held} of another partition`)
      } else if (!this.#contents.hold(held, partition) && isWhole && !this.#ofLetters.has(held)) {
        findings.add(
          'wrong',
          `${SEEN}/${partition} holds the key ${held}, which is no event's, no content's and no letter's`,
        )
      }
    }
  }

  /** Both are written in one transaction. */
  #position(partition: number, text: string, findings: Findings): void {
    const stored = JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1)) as {
      readonly next?: Readonly<Record<string, string>>
    }
    const position = stored.next?.[`${this.#prefix}${RECEIVED}`]
    const committed = this.#committed.get(partition)
    if (position !== undefined && Number(position) !== committed)
      findings.add(
        'wrong',
        `dedup's position of partition ${partition} is ${position}, its offset ${committed}`,
      )
  }
}
