import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { bucketName, parseBucket, type Bucket } from './bucket.ts'
import type { BucketKeys } from './bucket-keys.ts'
import { BucketSet, type FoundKey, type LookupCounts } from './bucket-set.ts'
import { StoreDamagedError } from '../runs/damage.ts'
import { KeyHashing, SALT_BYTES, type KeyProbe } from '../runs/key-hashing.ts'
import { ENTRY_WORDS } from '../runs/key-table.ts'
import {
  forgetManifest,
  MANIFEST_FORMAT,
  writeFirstManifest,
  type Manifest,
  type StoreIdentity,
} from './manifest.ts'
import { Publisher } from './publisher.ts'
import { Run } from '../runs/run.ts'
import { RunMerging } from './run-merging.ts'
import { sortedEntries } from '../runs/run-format.ts'
import { RunWriter } from '../runs/run-writer.ts'
import { bucketNameOf } from './state-record.ts'
import type { StoreChange } from './store-change.ts'
import type { StoreMemory } from '../runs/store-memory.ts'
import { readWal, Wal } from './wal.ts'

export interface KeyStoreOptions {
  /** Of this store alone; exists. */
  readonly folder: string
  readonly whose: StoreIdentity
  /** Of one filter. */
  readonly filterErrorRate: number
  /** Keys that are held in memory until they are written as a run. */
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
 * The keys of one partition on disk: a cache of the state topic, which is the truth.
 *
 * Each change goes to a log of its own (WAL) and to tables in memory. When these are full they are sorted and written as
 * a run for each bucket; runs are merged in the background until a closed bucket has one. A bucket that has expired is
 * deleted with its files. The manifest says which files count, and from which log to go on.
 *
 * A process may be killed at any moment and a machine may lose its power: what is read again is a state that once was,
 * up to the state offset that it names, or it is found to be damaged.
 */
export class KeyStore {
  readonly #options: KeyStoreOptions
  readonly #salt: string
  readonly hashing: KeyHashing
  readonly #buckets: BucketSet
  readonly #publisher: Publisher
  readonly #merging: RunMerging
  #stateOffset: bigint
  #position: string
  #fileNumber = 0
  #wal: Wal | undefined
  #walFiles: string[] = []
  /** What the manifest says besides the runs: the state at the start of its WAL. */
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
    this.#merging = new RunMerging({
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

  /** Begins an empty store in an empty folder, to be filled from a state offset on. */
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

  /** Opens what a manifest names. Throws a `StoreDamagedError`. */
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

  /** Up to where the state topic is in here. */
  get stateOffset(): bigint {
    return this.#stateOffset
  }

  /** The text of the `position` record; empty when there was none yet. */
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

  /** Runs of all buckets. */
  get runCount(): number {
    return this.#buckets.runs.length
  }

  get counts(): LookupCounts {
    return this.#buckets.counts
  }

  chunkNames(bucket: Bucket): readonly string[] {
    return this.#buckets.get(bucketName(bucket))?.book.names ?? []
  }

  /** Throws a `StoreDamagedError`; the store is then good for nothing, also not after a restart. */
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

  /** Takes over what is committed. Throws when the disk does, and when the background work has failed. */
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

  /** Nothing that was applied is lost. */
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

  /** Small chunks are merged first, while their keys are at hand; only what has waited too long goes without. */
  #flushIfDue(): void {
    const { latestFirst, freshCount } = this.#buckets
    const isDue = this.#isFull() || latestFirst.some(({ fresh }, age) => age > 0 && fresh.count > 0)
    if (!isDue) return
    const isWaiting = latestFirst.some(({ book }, age) => book.plan(Infinity, age > 0 || this.#isFull()))
    if (!isWaiting || freshCount >= 2 * this.#options.freshKeysMax) this.#flush()
  }

  #flush(): void {
    const runs: Run[] = []
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

  #writeRun({ fresh }: BucketKeys): Run {
    const { filterErrorRate, memory } = this.#options
    const writer = new RunWriter(this.#nextFile('run'), this.hashing, fresh.count, filterErrorRate)
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

  #publishAfter(added: readonly Run[], gone: readonly Run[]): void {
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
      const run = await Run.open(join(folder, basename(file)), memory)
      this.#buckets.getOrAdd(bucket).addRun(run)
      this.#buckets.arrange()
      if (run.crc !== crc) throw new StoreDamagedError(`${file} is another run`)
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
        // What does not go on from here follows records that are gone.
        if (after === this.#stateOffset) this.#take(change)
      }
    }
    this.#startWal()
    this.#removeStrays()
    this.#merging.start()
  }

  /** Files of a flush or a merge that was cut off. */
  #removeStrays(): void {
    const { folder } = this.#options
    const wanted = new Set([...this.#buckets.runs.map(({ file }) => file), ...this.#walFiles])
    for (const name of readdirSync(folder)) {
      if (/^(run|wal)-/.test(name) && !wanted.has(join(folder, name))) rmSync(join(folder, name))
    }
  }
}

const fileName = (kind: 'run' | 'wal', number: number): string => `${kind}-${number}`
