import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { StoreDamagedError } from './damage.ts'
import { KeyHashing, KeyProbe, SALT_BYTES } from './key-hashing.ts'
import { ENTRY_WORDS } from './key-table.ts'
import { mergeSortedRuns } from './merge-sorted-runs.ts'
import { SortedRun } from './sorted-run.ts'
import { sortedEntries } from './sorted-run-format.ts'
import { SortedRunWriter } from './sorted-run-writer.ts'
import { StoreMemory } from './store-memory.ts'

const hashing = new KeyHashing(randomBytes(SALT_BYTES))
const probe = new KeyProbe(hashing)
const memory = new StoreMemory(1e9)
let folder = ''
let files = 0

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-run-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const newFile = () => join(folder, `run-${(files += 1)}`)

type Key = readonly [w0: number, w1: number, w2: number, w3: number]

/** Few first words, so that one lies across blocks, and the edges of their range. */
const key: fc.Arbitrary<Key> = fc.tuple(
  fc.constantFrom(-2_147_483_648, -1, 0, 1, 2_147_483_647),
  fc.nat(40),
  fc.nat(3),
  fc.integer({ min: -2, max: 2 }),
)
const keys = (min: number) =>
  fc.uniqueArray(key, { selector: String, minLength: min, maxLength: 900, size: 'max' })

const wordsOf = (list: readonly Key[], hash: number): Int32Array =>
  Int32Array.from(list.flatMap((one, i) => [...one, hash, i]))

const write = (list: readonly Key[], hash: number, file = newFile()): SortedRun => {
  const words = wordsOf(list, hash)
  const writer = new SortedRunWriter(file, hashing, list.length, 0.01)
  for (const entry of sortedEntries(words, list.length)) writer.add(words, entry * ENTRY_WORDS)
  return writer.finish(memory)
}

const find = (run: SortedRun, one: Key) => {
  probe.setWords(Int32Array.from(one), 0)
  const found = run.find(probe)
  // A filter that misses a key that is there would lose it.
  if (found !== undefined) expect(run.mayHave(probe)).toBe(true)
  return found?.readInt32LE(0)
}

it('finds exactly the written keys, with their hashes, also after it is opened again', async () => {
  await fc.assert(
    fc.asyncProperty(keys(1), keys(0), async (inside, others) => {
      const written = write(inside, 7)
      const run = await SortedRun.open(written.file, memory)
      const names = new Set(inside.map(String))
      for (const one of [...inside, ...others]) {
        const expected = names.has(String(one)) ? 7 : undefined
        expect(find(written, one)).toBe(expected)
        expect(find(run, one)).toBe(expected)
      }
      expect([run.keys, run.crc]).toEqual([inside.length, written.crc])
      written.close()
      run.close()
    }),
    { numRuns: 25 },
  )
}, 60_000)

it('merges sorted runs into one that has each key once, with the oldest hash', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(keys(1), { minLength: 2, maxLength: 5 }), async (lists) => {
      const runs = lists.map((list, age) => write(list, age))
      const writer = new SortedRunWriter(newFile(), hashing, lists.flat().length, 0.01)
      await mergeSortedRuns(runs, writer, new AbortController().signal)
      const merged = writer.finish(memory)
      const expected = new Map<string, number>()
      for (const [age, list] of lists.entries()) {
        for (const one of list) if (!expected.has(String(one))) expected.set(String(one), age)
      }
      expect(merged.keys).toBe(expected.size)
      for (const one of lists.flat()) expect(find(merged, one)).toBe(expected.get(String(one)))
      for (const run of [...runs, merged]) run.close()
    }),
    { numRuns: 15 },
  )
}, 60_000)

it('detects any flipped bit, or gives the same results as before', async () => {
  const list = Array.from({ length: 1_000 }, (_, i): Key => [(i * 7_919) | 0, i, i, i])
  const original = write(list, 7)
  original.close()
  const bytes = readFileSync(original.file)
  const { size } = statSync(original.file)
  const file = newFile()
  let found = 0
  await fc.assert(
    fc.asyncProperty(fc.nat(size - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
      const damaged = Buffer.from(bytes)
      damaged[at]! ^= flip
      writeFileSync(file, damaged)
      let run: SortedRun | undefined
      try {
        run = await SortedRun.open(file, memory)
        for (const one of list) expect(find(run, one)).toBe(7)
        // Only what nobody reads may be damaged without a word, and there is no such byte.
        expect.unreachable()
      } catch (error) {
        expect(error).toBeInstanceOf(StoreDamagedError)
        found += 1
      } finally {
        run?.close()
      }
    }),
    { numRuns: 300 },
  )
  expect(found).toBe(300)
}, 60_000)

it('reports damage when its file is cut short', async () => {
  const original = write([[1, 2, 3, 4]], 7)
  original.close()
  const bytes = readFileSync(original.file)
  for (const length of [0, 10, 64, 4_096, 4_160, bytes.length - 1]) {
    writeFileSync(original.file, bytes.subarray(0, length))
    await expect(SortedRun.open(original.file, memory)).rejects.toThrow(StoreDamagedError)
  }
  rmSync(original.file)
  await expect(SortedRun.open(original.file, memory)).rejects.toThrow('is missing')
})

it('reads the disk for every key when its filter does not fit in memory', async () => {
  const run = write([[1, 2, 3, 4]], 7)
  run.close()
  const small = new StoreMemory(1)
  const unfiltered = await SortedRun.open(run.file, small)
  expect([unfiltered.filterByteCount, small.bytes]).toEqual([0, 0])
  expect(unfiltered.mayHave(probe.setWords(Int32Array.of(9, 9, 9, 9), 0))).toBe(true)
  expect(find(unfiltered, [1, 2, 3, 4])).toBe(7)
  expect(find(unfiltered, [9, 9, 9, 9])).toBeUndefined()
  unfiltered.close()
})
