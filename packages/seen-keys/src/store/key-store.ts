import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { bucketName, parseBucket, type Bucket } from './bucket.ts'
import type { BucketKeys } from './bucket-keys.ts'
import { BucketSet, type FoundKey, type LookupCounts } from './bucket-set.ts'
import { StoreDamagedError } from '../sorted-runs/damage.ts'
import { KeyHashing, SALT_BYTES, type KeyProbe } from '../sorted-runs/key-hashing.ts'
import { ENTRY_WORDS } from '../sorted-runs/key-table.ts'
import {
  forgetManifest,
  MANIFEST_FORMAT,
  writeFirstManifest,
  type Manifest,
  type StoreIdentity,
} from './manifest.ts'
import { Publisher } from './publisher.ts'
import { SortedRun } from '../sorted-runs/sorted-run.ts'
import { SortedRunMerging } from './sorted-run-merging.ts'
import { sortedEntries } from '../sorted-runs/sorted-run-format.ts'
import { SortedRunWriter } from '../sorted-runs/sorted-run-writer.ts'
import { bucketNameOf } from './state-record.ts'
import type { StoreChange } from './store-change.ts'
import type { StoreMemory } from '../sorted-runs/store-memory.ts'
import { readWal, Wal } from './wal.ts'

export interface KeyStoreOptions {
  /** A folder of this store alone; must exist. */
  readonly folder: string
  readonly whose: StoreIdentity
  /** Error rate of one filter. */
  readonly filterErrorRate: number
  /** Number of keys that are held in memory before they are written as a sorted run. */
  readonly freshKeysMax: number
  readonly memory: StoreMemory
}

/** Chunks of one bucket that the next transaction should merge, with all their keys as in a chunk. */
export interface PlannedMerge {
  readonly bucket: Bucket
  readonly names: readonly string[]
  readonly entries: Buffer
}

/**
 * The keys of one partition on disk: a cache of the changelog, which is the truth.
 *
 * Each change goes to a write-ahead log (WAL) and to tables in memory. Full tables are sorted and written as one
 * sorted run per bucket; sorted runs are merged in the background until a closed bucket has one. An expired bucket is
 * deleted with its files. The manifest says which files count, and from which WAL to go on.
 *
 * The process may be killed and the machine may lose power at any moment: what is read again is an earlier state, up
 * to the state offset that it names, or is found to be damaged.
 */
export class KeyStore {
  readonly #options: KeyStoreOptions
  readonly #salt: string
  readonly hashing: KeyHashing
  readonly #buckets: BucketSet
  readonly #publisher: Publisher
  readonly #merging: SortedRunMerging
  #stateOffset: bigint
  #position: string
  #fileNumber = 0
  #wal: Wal | undefined
  #walFiles: string[] = []
  /** The manifest's fields besides the sorted runs: the state at the start of its WAL. */
  #base: Pick<Manifest, 'wal' | 'chunks' | 'stateOffset' | 'position'>
  #failure: Error | undefined

  private constructor(options: KeyStoreOptions, manifest: Manifest) {
    this.#options = options
    this.#salt = manifest.salt
    this.hashing = new KeyHashing(Buffer.from(manifest.salt, 'hex'))
    this.#buckets = new BucketSet(this.hashing)
    const { wal, chunks, stateOffset, position } = manifest
    this.#base = { wal, chunks, stateOffset, position }
    this.#stateOffset = BigInt(stateOffset)
    this.#position = position
    this.#publisher = new Publisher(
      options.folder,
      () => this.#manifest(),
      (error) => this.#failed(error),
    )
    const { filterErrorRate, freshKeysMax, memory } = options
    this.#merging = new SortedRunMerging({
      buckets: this.#buckets,
      hashing: this.hashing,
      filterErrorRate,
      freshKeysMax,
      memory,
      newRunFile: () => this.#nextFile('run'),
      onMerged: (merged, gone) => this.#publishAfter([merged], gone),
      onFailed: (error) => this.#failed(error),
    })
  }

  /** Creates an empty store in an empty folder, to be filled from a state offset on. */
  static create(options: KeyStoreOptions, stateOffset: bigint): KeyStore {
    const manifest: Manifest = {
      format: MANIFEST_FORMAT,
      whose: options.whose,
      salt: randomBytes(SALT_BYTES).toString('hex'),
      wal: 1,
      runs: [],
      chunks: {},
      stateOffset: String(stateOffset),
      position: '',
    }
    writeFirstManifest(options.folder, manifest)
    const store = new KeyStore(options, manifest)
    store.#startWal()
    return store
  }

  /** Opens the files that a manifest names. Throws a `StoreDamagedError`. */
  static async load(options: KeyStoreOptions, manifest: Manifest): Promise<KeyStore> {
    const store = new KeyStore(options, manifest)
    try {
      await store.#load(manifest)
      return store
    } catch (error) {
      await store.close()
      throw error
    }
  }

  /** Offset up to which the store holds the changelog. */
  get stateOffset(): bigint {
    return this.#stateOffset
  }

  /** Text of the `position` record; empty before the first one. */
  get position(): string {
    return this.#position
  }

  get buckets(): readonly Bucket[] {
    return this.#buckets.latestFirst.map(({ bucket }) => bucket)
  }

  get keyCount(): number {
    return this.#buckets.keyCount
  }

  get filterByteCount(): number {
    return this.#buckets.filterByteCount
  }

  get unfilteredKeyCount(): number {
    return this.#buckets.unfilteredKeyCount
  }

  /** Sorted runs of all buckets. */
  get runCount(): number {
    return this.#buckets.runs.length
  }

  get counts(): LookupCounts {
    return this.#buckets.counts
  }

  chunkNames(bucket: Bucket): readonly string[] {
    return this.#buckets.get(bucketName(bucket))?.book.names ?? []
  }

  /** Throws a `StoreDamagedError`. The store is then unusable, also after a restart. */
  find(probe: KeyProbe): FoundKey | undefined {
    try {
      return this.#buckets.find(probe)
    } catch (error) {
      return this.#fail(error)
    }
  }

  has(bucket: Bucket, probe: KeyProbe): boolean {
    try {
      return this.#buckets.get(bucketName(bucket))?.has(probe) ?? false
    } catch (error) {
      return this.#fail(error)
    }
  }

  planMerge(keysMax: number): PlannedMerge | undefined {
    for (const [age, { bucket, book, fresh }] of this.#buckets.latestFirst.entries()) {
      const plan = book.plan(keysMax, age > 0 || this.#isFull())
      if (plan !== undefined) return { bucket, names: plan.names, entries: fresh.copy(plan.ranges) }
    }
    return undefined
  }

  /** Applies a committed change. Throws when the disk or the background work has failed. */
  apply(change: StoreChange): void {
    this.throwIfFailed()
    this.#wal!.append(this.#stateOffset, change)
    this.#take(change)
    this.#flushIfDue()
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Resolves when merging is not too far behind. */
  catchUp(): Promise<void> {
    return this.#merging.catchUp()
  }

  /** Closes the store. Nothing that was applied is lost. */
  async close(): Promise<void> {
    await this.#merging.close()
    await this.#publisher.done()
    this.#wal?.close()
    for (const run of this.#buckets.runs) run.close()
  }

  #take(change: StoreChange): void {
    for (const { chunkKey, bucket, keys, entries, at } of change.added) {
      const { fresh, book } = this.#buckets.getOrAdd(bucket)
      const range = fresh.add(entries, at)
      book.add(chunkKey, keys, range.to - range.from === keys ? [range] : undefined)
    }
    if (change.merged) this.#buckets.getOrAdd(change.merged.bucket).book.merge(change.merged.chunkKeys)
    for (const chunkKey of change.goneChunks) this.#buckets.get(bucketNameOf(chunkKey))?.book.remove(chunkKey)
    for (const bucket of change.goneBuckets) this.#drop(bucket)
    this.#stateOffset = change.stateOffset
    this.#position = change.position
  }

  #drop(bucket: Bucket): void {
    const runs = this.#buckets.remove(bucket)?.runs ?? []
    for (const run of runs) this.#merging.discard(run)
    if (runs.length > 0) this.#publishAfter([], runs)
  }

  #isFull(): boolean {
    return this.#buckets.freshCount >= this.#options.freshKeysMax
  }

  /** Merges small chunks first, while their keys are in memory. Only chunks that waited too long are left unmerged. */
  #flushIfDue(): void {
    const { latestFirst, freshCount } = this.#buckets
    const isDue = this.#isFull() || latestFirst.some(({ fresh }, age) => age > 0 && fresh.count > 0)
    if (!isDue) return
    const isWaiting = latestFirst.some(({ book }, age) => book.plan(Infinity, age > 0 || this.#isFull()))
    if (!isWaiting || freshCount >= 2 * this.#options.freshKeysMax) this.#flush()
  }

  #flush(): void {
    const runs: SortedRun[] = []
    for (const held of this.#buckets.latestFirst) {
      if (held.fresh.count === 0) continue
      const run = this.#writeRun(held)
      held.addRun(run)
      held.startAfresh()
      runs.push(run)
    }
    this.#buckets.arrange()
    this.#wal?.close()
    const obsolete = this.#walFiles
    this.#walFiles = []
    this.#startWal()
    const sizes = this.#buckets.latestFirst.map(
      ({ bucket, book }) => [bucketName(bucket), book.sizes] as const,
    )
    this.#base = {
      wal: this.#fileNumber,
      chunks: Object.fromEntries(sizes),
      stateOffset: String(this.#stateOffset),
      position: this.#position,
    }
    this.#publisher.publish(
      runs.map(({ file }) => file),
      obsolete,
    )
    this.#merging.start()
  }

  #writeRun({ fresh }: BucketKeys): SortedRun {
    const { filterErrorRate, memory } = this.#options
    const writer = new SortedRunWriter(this.#nextFile('run'), this.hashing, fresh.count, filterErrorRate)
    try {
      const { words } = fresh
      for (const entry of sortedEntries(words, fresh.count)) writer.add(words, entry * ENTRY_WORDS)
      return writer.finish(memory)
    } finally {
      writer.close()
    }
  }

  #startWal(): void {
    const file = this.#nextFile('wal')
    this.#wal = new Wal(file)
    this.#walFiles.push(file)
  }

  #nextFile(kind: 'run' | 'wal'): string {
    this.#fileNumber += 1
    return join(this.#options.folder, fileName(kind, this.#fileNumber))
  }

  #publishAfter(added: readonly SortedRun[], gone: readonly SortedRun[]): void {
    this.#publisher.publish(
      added.map(({ file }) => file),
      gone.map(({ file }) => file),
    )
  }

  #manifest(): Manifest {
    const runs = this.#buckets.latestFirst.flatMap((held) =>
      held.runs.map(({ file, crc }) => ({ file: basename(file), crc, bucket: held.bucket })),
    )
    return { format: MANIFEST_FORMAT, whose: this.#options.whose, salt: this.#salt, runs, ...this.#base }
  }

  #fail(error: unknown): never {
    this.#failed(error)
    throw error
  }

  #failed(error: unknown): void {
    this.#failure ??= error as Error
    this.#merging.abandon()
    if (!(error instanceof StoreDamagedError)) return
    this.#publisher.stop()
    forgetManifest(this.#options.folder)
  }

  async #load(manifest: Manifest): Promise<void> {
    const { folder, memory } = this.#options
    for (const { file, crc, bucket } of manifest.runs) {
      const run = await SortedRun.open(join(folder, basename(file)), memory)
      this.#buckets.getOrAdd(bucket).addRun(run)
      this.#buckets.arrange()
      if (run.crc !== crc)
        throw new StoreDamagedError(`${file} is a different sorted run than the manifest names`)
    }
    for (const [name, chunks] of Object.entries(manifest.chunks)) {
      const { book } = this.#buckets.getOrAdd(parseBucket(name))
      for (const [chunkKey, keys] of Object.entries(chunks)) book.add(chunkKey, keys)
    }
    const numbers = readdirSync(folder).map((name) => Number(/-(\d+)$/.exec(name)?.[1] ?? 0))
    this.#fileNumber = Math.max(manifest.wal, ...numbers)
    for (let number = manifest.wal; number <= this.#fileNumber; number++) {
      const file = join(folder, fileName('wal', number))
      if (!existsSync(file)) continue
      this.#walFiles.push(file)
      for (const { after, change } of readWal(file)) {
        // A WAL that does not continue here follows records that are gone.
        if (after === this.#stateOffset) this.#take(change)
      }
    }
    this.#startWal()
    this.#removeStrays()
    this.#merging.start()
  }

  /** Deletes the files of an interrupted flush or merge. */
  #removeStrays(): void {
    const { folder } = this.#options
    const wanted = new Set([...this.#buckets.runs.map(({ file }) => file), ...this.#walFiles])
    for (const name of readdirSync(folder)) {
      if (/^(run|wal)-/.test(name) && !wanted.has(join(folder, name))) rmSync(join(folder, name))
    }
  }
}

const fileName = (kind: 'run' | 'wal', number: number): string => `${kind}-${number}`
