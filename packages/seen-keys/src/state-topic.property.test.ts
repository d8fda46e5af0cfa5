import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventKeyOf } from '@weir/contracts'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  decodeStateRecord,
  encodeIdentity,
  openKeyStore,
  SeenKeys,
  stateRecordsOf,
  StoreMemory,
} from './index.ts'
import type { KeyAndValue } from './store/state-record.ts'
import { whose } from './testing/transactions.ts'

const WINDOW_MS = 2_400
const HASH = Buffer.alloc(8, 1)
const KEYS = 400

/** A state partition: aborted records take offsets and are never readable. */
type Log = readonly (KeyAndValue & { readonly aborted: boolean })[]

/** What compaction up to `cut` leaves: of each key the last record before it, and everything after it. */
const compact = (log: Log, cut: number, keepsTombstones: boolean): readonly (number | undefined)[] => {
  const last = new Map<string, number>()
  for (const [offset, { key, aborted }] of log.entries()) {
    if (offset < cut && !aborted) last.set(key.toString(), offset)
  }
  return log.map(({ key, value, aborted }, offset) => {
    if (aborted) return undefined
    if (offset >= cut) return offset
    const isLast = last.get(key.toString()) === offset
    return isLast && (value !== null || keepsTombstones) ? offset : undefined
  })
}

const withSeenKeys = async <T>(use: (seen: SeenKeys) => Promise<T>, freshKeysMax = 64): Promise<T> => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-topic-'))
  const { store } = await openKeyStore({
    folder,
    whose,
    logStart: 0n,
    barrier: 1_000_000n,
    filterErrorRate: 0.001,
    freshKeysMax,
    memory: new StoreMemory(1e7),
  })
  try {
    return await use(new SeenKeys({ windowMs: WINDOW_MS, partitions: 1 }, store))
  } finally {
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

const restore = async (seen: SeenKeys, log: Log, offsets: readonly (number | undefined)[]): Promise<void> => {
  const readable = offsets.filter((offset) => offset !== undefined)
  for (let at = 0; at < readable.length; at += 7) {
    const some = readable.slice(at, at + 7)
    await seen.restored(
      some.map((offset) => decodeStateRecord(log[offset]!)),
      BigInt(some.at(-1)! + 1),
    )
  }
  seen.finishRestore()
}

const check = (seen: SeenKeys, model: ReadonlyMap<number, number>): void => {
  const staged = seen.stage()
  for (let key = 0; key < KEYS; key++) {
    const at = model.get(key)
    const { kind } = staged.check(eventKeyOf('s', String(key)), HASH)
    if (at === undefined) expect(kind, `key ${key} never came`).toBe('new')
    else if (staged.effectiveTime - at < WINDOW_MS) expect(kind, `key ${key}`).toBe('duplicate')
  }
}

interface Batch {
  readonly keys: readonly number[]
  readonly step: number
  readonly commits: boolean
}

const batch: fc.Arbitrary<Batch> = fc.record({
  keys: fc.array(fc.nat(KEYS - 1), { minLength: 1, maxLength: 3 }),
  // Mostly within one bucket of 100 ms, sometimes into the next, rarely over the window.
  step: fc.oneof(
    { weight: 30, arbitrary: fc.nat(1) },
    { weight: 3, arbitrary: fc.nat(150) },
    fc.constant(2_600),
  ),
  commits: fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, fc.constant(false)),
})

const play = async (batches: readonly Batch[]) => {
  const log: (KeyAndValue & { aborted: boolean })[] = [{ ...encodeIdentity('i'), aborted: false }]
  const model = new Map<number, number>()
  let merges = 0
  await withSeenKeys(async (seen) => {
    for (const [index, { keys, step, commits }] of batches.entries()) {
      const staged = seen.stage()
      staged.advance(staged.effectiveTime + step, Number.MAX_SAFE_INTEGER)
      const added = keys.filter((key) => staged.check(eventKeyOf('s', String(key)), HASH).kind === 'new')
      const change = staged.seal('in', BigInt(index), BigInt(index + 1))
      for (const record of stateRecordsOf(change)) log.push({ ...record, aborted: !commits })
      if (!commits) continue
      await seen.apply(change, BigInt(log.length))
      for (const key of added) model.set(key, staged.effectiveTime)
      if (change.merge) merges += 1
    }
    check(seen, model)
  })
  return { log, model, merges }
}

it('restores the same keys however far the topic was compacted, also during the read, over aborts', async () => {
  let merges = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(batch, { minLength: 40, maxLength: 160, size: 'max' }),
      fc.array(fc.tuple(fc.nat(999), fc.nat(999), fc.boolean()), { minLength: 4, maxLength: 4 }),
      async (batches, cuts) => {
        const { log, model, merges: some } = await play(batches)
        merges += some
        for (const [cutPart, readPart, keepsTombstones] of cuts) {
          const cut = Math.ceil(((log.length + 1) * cutPart) / 1_000)
          const compacted = compact(log, cut, keepsTombstones)
          await withSeenKeys(async (seen) => {
            await restore(seen, log, compacted)
            check(seen, model)
          })
          // The cleaner may come while somebody reads: what is before was read as it was.
          const read = Math.floor((log.length * readPart) / 1_000)
          const original = compact(log, 0, true)
          await withSeenKeys(async (seen) => {
            await restore(seen, log, [...original.slice(0, read), ...compacted.slice(read)])
            check(seen, model)
          })
        }
      },
    ),
    { numRuns: 8 },
  )
  expect(merges).toBeGreaterThan(10)
}, 180_000)

it('every prefix of a history with merges restores the same keys', async () => {
  const batches = Array.from({ length: 80 }, (_, i): Batch => ({
    keys: [(i * 3) % KEYS, (i * 3 + 1) % KEYS, (i * 3 + 2) % KEYS],
    commits: i % 9 !== 8,
    step: i % 40 === 39 ? 100 : 1,
  }))
  const { log, model, merges } = await play(batches)
  expect(merges).toBeGreaterThan(1)
  for (let cut = 0; cut <= log.length; cut += 1) {
    await withSeenKeys(async (seen) => {
      await restore(seen, log, compact(log, cut, cut % 2 === 0))
      check(seen, model)
    })
  }
}, 180_000)

it('keeps the topic at about 24 bytes per key, and writes no key more than four times', async () => {
  const transactions = 6_000
  const perTransaction = 3
  const live = new Map<string, number>()
  let written = 0
  await withSeenKeys(async (seen) => {
    for (let i = 0; i < transactions; i++) {
      const staged = seen.stage()
      for (let k = 0; k < perTransaction; k++) staged.check(eventKeyOf('s', `${i}/${k}`), HASH)
      const change = staged.seal('in', BigInt(i), BigInt(i + 1))
      for (const { key, value } of stateRecordsOf(change)) {
        const name = key.toString()
        if (name === 'position') continue
        if (value === null) live.delete(name)
        else live.set(name, key.length + value.length)
        written += value?.length ?? 0
      }
      await seen.apply(change, BigInt(i + 1))
    }
  }, 65_536)
  const keys = transactions * perTransaction
  const bytes = [...live.values()].reduce((sum, size) => sum + size, 0)
  expect(live.size).toBeLessThan(100)
  expect(bytes).toBeLessThan(keys * 24 * 1.05)
  expect(written).toBeLessThan(keys * 24 * 4.5)
}, 60_000)
