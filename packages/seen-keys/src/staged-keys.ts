import type { EventKey } from '@weir/contracts'
import { bucketName, type Bucket } from './bucket.ts'
import { CHUNK_KEYS_MAX, chunkKeyOf, type Position, type SeenKey } from './state-record.ts'

export type Verdict =
  | { readonly kind: 'new' }
  | { readonly kind: 'duplicate' }
  /** The key was there with another body. */
  | { readonly kind: 'conflict'; readonly first: Buffer }

/** What is committed, as far as a transaction looks at it. */
export interface CommittedKeys {
  readonly position: Position
  /** The hash that was stored with the key, undefined when the key is new. */
  find(eventKey: Buffer): Buffer | undefined
  bucketAt(effectiveTime: number): Bucket
  advance(previous: number, recordTime: number, now: number): number
  expiredAt(effectiveTime: number): {
    readonly buckets: readonly Bucket[]
    readonly chunkKeys: readonly string[]
  }
}

interface StagedChunk {
  readonly chunkKey: string
  readonly bucket: Bucket
  readonly keys: readonly SeenKey[]
}

/** What one transaction would add: later records of the same transaction see it, nobody else does. */
export class StagedKeys {
  readonly #seen: CommittedKeys
  readonly #added = new Map<string, Buffer>()
  readonly #byBucket = new Map<string, { bucket: Bucket; keys: SeenKey[] }>()
  #effectiveTime: number
  #next: Record<string, bigint>
  #firstInput = ''

  constructor(seen: CommittedKeys) {
    this.#seen = seen
    this.#effectiveTime = seen.position.effectiveTime
    this.#next = { ...seen.position.next }
  }

  /** Epoch ms. */
  get effectiveTime(): number {
    return this.#effectiveTime
  }

  get addedCount(): number {
    return this.#added.size
  }

  /** Moves the clock to a record; `recordTime` is the broker's, `now` this machine's, epoch ms. */
  advance(recordTime: number, now: number): void {
    this.#effectiveTime = this.#seen.advance(this.#effectiveTime, recordTime, now)
  }

  /** Decides about a key and, when it is new, adds it. */
  check(eventKey: EventKey, bodyHash: Buffer): Verdict {
    const id = eventKey.toString('latin1')
    const first = this.#added.get(id) ?? this.#seen.find(eventKey)
    if (first !== undefined)
      return first.equals(bodyHash) ? { kind: 'duplicate' } : { kind: 'conflict', first }
    this.#added.set(id, bodyHash)
    const bucket = this.#seen.bucketAt(this.#effectiveTime)
    const name = bucketName(bucket)
    const staged = this.#byBucket.get(name)
    if (staged === undefined) this.#byBucket.set(name, { bucket, keys: [{ eventKey, bodyHash }] })
    else staged.keys.push({ eventKey, bodyHash })
    return { kind: 'new' }
  }

  /** The inputs that the transaction covers: `[first, next)` of a topic. */
  cover(topic: string, first: bigint, next: bigint): void {
    this.#firstInput = `${topic}@${first}`
    this.#next = { ...this.#next, [topic]: next }
  }

  chunks(): readonly StagedChunk[] {
    const chunks: StagedChunk[] = []
    for (const { bucket, keys } of this.#byBucket.values()) {
      for (let at = 0; at < keys.length; at += CHUNK_KEYS_MAX) {
        const chunkKey = chunkKeyOf(bucket, `${this.#firstInput}+${at}`)
        chunks.push({ chunkKey, bucket, keys: keys.slice(at, at + CHUNK_KEYS_MAX) })
      }
    }
    return chunks
  }

  /** Buckets that expire with this transaction, and the chunks to delete with them. */
  expired(): { readonly buckets: readonly Bucket[]; readonly chunkKeys: readonly string[] } {
    return this.#seen.expiredAt(this.#effectiveTime)
  }

  position(): Position {
    return {
      next: this.#next,
      effectiveTime: this.#effectiveTime,
      rotations: this.#seen.position.rotations + this.expired().buckets.length,
    }
  }
}
