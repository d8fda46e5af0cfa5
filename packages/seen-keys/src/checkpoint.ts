import { existsSync, readFileSync, rmSync } from 'node:fs'
import { open, type Database, type RootDatabase } from 'lmdb'
import { bucketName, parseBucket, type Bucket } from './bucket.ts'
import { decodePosition, encodePosition, type Position, type SeenKey } from './state-record.ts'

/** Whose keys a checkpoint holds. Anything else in the folder is foreign and is deleted. */
export interface CheckpointIdentity {
  readonly clusterId: string
  readonly topic: string
  readonly partition: number
  /** Of the state partition's `identity` record. */
  readonly identity: string
}

interface StoredMark extends CheckpointIdentity {
  readonly format: number
  readonly boot: string
  readonly stateOffset: string
  /** As in the state topic's `position` record. */
  readonly position: string
}

const FORMAT = 1
const BUCKETS_MAX = 1_000
const MARK = 'mark'

/** LMDB is not synced to the disk, so what it holds is only worth something within one run of the machine. */
const bootId = (): string => {
  const file = '/proc/sys/kernel/random/boot_id'
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : `process ${process.pid}`
}

/**
 * The keys of one partition on disk, by bucket: a cache of the state topic, which is the truth. It takes keys only
 * after their transaction was acknowledged, and in the same LMDB transaction the state offset that it includes.
 * A process may be killed at any moment; after a restart of the machine it is rebuilt.
 */
export class Checkpoint {
  readonly #root: RootDatabase
  readonly #meta: Database<StoredMark, string>
  readonly #chunks: Database<true, string>
  readonly #buckets = new Map<string, Database<Buffer, Buffer>>()

  private constructor(folder: string) {
    this.#root = open({ path: folder, maxDbs: BUCKETS_MAX + 2, noSync: true, noMemInit: true })
    this.#meta = this.#root.openDB<StoredMark, string>({ name: 'meta', encoding: 'json' })
    this.#chunks = this.#root.openDB<true, string>({ name: 'chunks', encoding: 'json' })
    for (const name of this.#root.getKeys()) {
      if (typeof name === 'string' && name.startsWith('bucket|')) this.#bucket(name.slice('bucket|'.length))
    }
  }

  /** Opens what is there; what cannot be opened is deleted and begun anew. */
  static open(folder: string): Checkpoint {
    try {
      return new Checkpoint(folder)
    } catch {
      rmSync(folder, { recursive: true, force: true })
      return new Checkpoint(folder)
    }
  }

  /** The offset up to which the state topic is in here, or why nothing in here can be trusted. */
  validate(
    wanted: CheckpointIdentity,
    logStart: bigint,
    barrier: bigint,
  ): bigint | { readonly invalid: string } {
    const mark = this.#meta.get(MARK)
    if (mark === undefined) return { invalid: 'there is none' }
    if (mark.format !== FORMAT) return { invalid: 'its format is another' }
    if (mark.boot !== bootId()) return { invalid: 'the machine has restarted since' }
    for (const name of ['clusterId', 'topic', 'partition', 'identity'] as const) {
      if (mark[name] !== wanted[name]) return { invalid: `its ${name} is another` }
    }
    const stateOffset = BigInt(mark.stateOffset)
    if (stateOffset < logStart || stateOffset > barrier) return { invalid: 'its offset is not in the log' }
    return stateOffset
  }

  /** Committed together with what is in here. */
  position(): Position | undefined {
    const mark = this.#meta.get(MARK)
    return mark && decodePosition(Buffer.from(mark.position))
  }

  buckets(): readonly Bucket[] {
    return [...this.#buckets.keys()].map(parseBucket)
  }

  *keys(bucket: Bucket): Iterable<Buffer> {
    for (const key of this.#bucket(bucketName(bucket)).getKeys()) yield key
  }

  chunkKeys(): readonly string[] {
    return [...this.#chunks.getKeys()]
  }

  get(bucket: Bucket, eventKey: Buffer): Buffer | undefined {
    return this.#bucket(bucketName(bucket)).getBinary(eventKey)
  }

  /** One LMDB transaction: the keys, the chunks they came in, what expired, and the offset. */
  apply(change: {
    readonly identity: CheckpointIdentity
    readonly stateOffset: bigint
    readonly position: Position
    readonly chunks: readonly {
      readonly chunkKey: string
      readonly bucket: Bucket
      readonly keys: readonly SeenKey[]
    }[]
    readonly goneChunks: readonly string[]
  }): void {
    const targets = change.chunks.map(({ bucket }) => this.#bucket(bucketName(bucket)))
    this.#root.transactionSync(() => {
      for (const [index, { chunkKey, keys }] of change.chunks.entries()) {
        for (const { eventKey, bodyHash } of keys) targets[index]!.putSync(eventKey, bodyHash)
        this.#chunks.putSync(chunkKey, true)
      }
      for (const chunkKey of change.goneChunks) this.#chunks.removeSync(chunkKey)
      this.#meta.putSync(MARK, {
        ...change.identity,
        format: FORMAT,
        boot: bootId(),
        stateOffset: String(change.stateOffset),
        position: encodePosition(change.position).value!.toString(),
      })
    })
  }

  dropBucket(bucket: Bucket): void {
    const name = bucketName(bucket)
    this.#bucket(name).dropSync()
    this.#buckets.delete(name)
  }

  async close(): Promise<void> {
    await this.#root.close()
  }

  #bucket(name: string): Database<Buffer, Buffer> {
    const opened = this.#buckets.get(name)
    if (opened !== undefined) return opened
    const bucket = this.#root.openDB<Buffer, Buffer>({
      name: `bucket|${name}`,
      keyEncoding: 'binary',
      encoding: 'binary',
    })
    this.#buckets.set(name, bucket)
    return bucket
  }
}
