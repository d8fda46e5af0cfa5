import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { openKeyStore, SeenKeys, StoreDamagedError, StoreMemory } from '../index.ts'
import { applyTransaction, checkStore, openStore, whose, WINDOW_MS } from '../testing/transactions.ts'

let root = ''
let folder = ''

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'weir-store-'))
  folder = join(root, 'partition-0')
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

/** A store that has runs, merged runs, expired buckets and a log. */
const fill = async (into: string, transactions: number): Promise<void> => {
  const { store } = await openStore(into)
  const seen = new SeenKeys({ windowMs: WINDOW_MS, partitions: 1 }, store)
  for (let t = Number(store.stateOffset); t < transactions; t++) await applyTransaction(seen, t)
  await store.close()
}

type Damage =
  | { readonly kind: 'flip'; readonly file: number; readonly at: number; readonly with: number }
  | { readonly kind: 'cut'; readonly file: number; readonly at: number }
  | { readonly kind: 'zero'; readonly file: number; readonly at: number }
  | { readonly kind: 'delete'; readonly file: number }

const file = fc.nat(100)
/** Of the file's length, in parts per million. */
const at = fc.nat(999_999)
const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), file, at, with: fc.integer({ min: 1, max: 255 }) }),
  fc.record({ kind: fc.constant('cut' as const), file, at }),
  fc.record({ kind: fc.constant('zero' as const), file, at }),
  fc.record({ kind: fc.constant('delete' as const), file }),
)

const inflict = (target: string, one: Damage): void => {
  const names = readdirSync(target).sort()
  const path = join(target, names[one.file % names.length]!)
  if (one.kind === 'delete') {
    rmSync(path)
    return
  }
  const bytes = readFileSync(path)
  const position = Math.floor((bytes.length * one.at) / 1_000_000)
  if (one.kind === 'flip' && bytes.length > 0) bytes[position]! ^= one.with
  // As after a power cut: pages that were never written.
  if (one.kind === 'zero') bytes.fill(0, position, Math.min(bytes.length, position + 4_096))
  writeFileSync(path, one.kind === 'cut' ? bytes.subarray(0, position) : bytes)
}

it('a damaged store equals an earlier state or is detected, and the next start is sound', async () => {
  await fill(folder, 1_500)
  const end = 1_500
  const seenAs = { whole: 0, older: 0, discarded: 0, foundLater: 0 }
  await fc.assert(
    fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 2 }), async (damages) => {
      const copy = join(root, 'copy')
      rmSync(copy, { recursive: true, force: true })
      cpSync(folder, copy, { recursive: true })
      for (const one of damages) inflict(copy, one)
      const opened = await openStore(copy)
      try {
        const included = checkStore(opened)
        if (opened.discarded !== undefined) seenAs.discarded += 1
        else seenAs[included === end ? 'whole' : 'older'] += 1
      } catch (error) {
        if (!(error instanceof StoreDamagedError)) throw error
        seenAs.foundLater += 1
      } finally {
        await opened.store.close()
      }
      const again = await openStore(copy)
      checkStore(again)
      await again.store.close()
    }),
    { numRuns: 250 },
  )
  // Both must have been tried; which kind of either comes up is chance.
  expect(seenAs.whole + seenAs.older).toBeGreaterThan(0)
  expect(seenAs.discarded + seenAs.foundLater).toBeGreaterThan(0)
}, 180_000)

it('refuses a store of another partition, cluster, topic or identity, or with an offset outside the log', async () => {
  await fill(folder, 50)
  const open = async (changes: Partial<typeof whose>, logStart = 0n, barrier = 1_000n) => {
    const copy = join(root, 'copy')
    rmSync(copy, { recursive: true, force: true })
    cpSync(folder, copy, { recursive: true })
    const { store, discarded } = await openKeyStore({
      folder: copy,
      whose: { ...whose, ...changes },
      logStart,
      barrier,
      filterErrorRate: 0.001,
      freshKeysMax: 200,
      memory: new StoreMemory(1e8),
    })
    await store.close()
    return [store.stateOffset, store.keyCount, discarded]
  }
  expect(await open({})).toEqual([50n, 1_000, undefined])
  expect(await open({}, 50n, 50n)).toEqual([50n, 1_000, undefined])
  expect(await open({ partition: 1 })).toEqual([0n, 0, 'its partition differs'])
  expect(await open({ clusterId: 'x' })).toEqual([0n, 0, 'its clusterId differs'])
  expect(await open({ topic: 'x' })).toEqual([0n, 0, 'its topic differs'])
  expect(await open({ identity: 'x' })).toEqual([0n, 0, 'its identity differs'])
  expect(await open({}, 51n)).toEqual([51n, 0, 'its offset is not in the log'])
  expect(await open({}, 0n, 49n)).toEqual([0n, 0, 'its offset is not in the log'])
})

it('refuses an intact sorted run of another store', async () => {
  const other = join(root, 'other')
  await fill(folder, 60)
  await fill(other, 60)
  const runOf = (where: string) => readdirSync(where).find((name) => name.startsWith('run-'))!
  cpSync(join(other, runOf(other)), join(folder, runOf(folder)))
  const { store, discarded } = await openStore(folder)
  await store.close()
  expect(discarded).toMatch(/is a different sorted run/)
})

it('holds the filters of a closed bucket in one sorted run, and releases expired ones', async () => {
  await fill(folder, 3_000)
  const { store } = await openStore(folder)
  // The window has 24 buckets, one more is open, and the youngest may have some runs.
  await vi.waitFor(() => expect(store.runCount).toBeLessThan(36), { timeout: 10_000 })
  expect(store.keyCount).toBeLessThan((WINDOW_MS + 2 * 10) * 5 * 20)
  const bytes = readdirSync(folder).reduce((sum, name) => sum + readFileSync(join(folder, name)).length, 0)
  expect(bytes / store.keyCount).toBeLessThan(60)
  await store.close()
})
