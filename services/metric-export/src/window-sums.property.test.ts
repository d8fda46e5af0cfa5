import { createLogger } from '@weir/runtime'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InfluxUnavailableError } from './influx.ts'
import { MetricExportTask } from './metric-export-task.ts'
import { decodeOrigin, encodeOrigin } from './sums-metadata.ts'
import { counters, StatsLog, statsOf, TOPIC } from './testing/stats-log.ts'
import { WindowSums, type WindowPoint } from './window-sums.ts'

const TIMEOUT_MS = 1_000
const METADATA_BYTES_MAX = 4_096

type Fate = 'answered' | 'lost' | { readonly lateMs: number; readonly isFrozen: boolean }

/** A time series database behind a network: one value for each series and time, and writes that arrive late. */
class Database {
  readonly values = new Map<string, number>()
  #late: { readonly at: number; readonly points: readonly WindowPoint[] }[] = []
  now = 0
  /** What becomes of the next writes; with none left they are answered. */
  fates: Fate[] = []
  /** What a frozen server has received: it goes on with that when it thaws, which the next answer shows. */
  #held: { readonly lateMs: number; readonly points: readonly WindowPoint[] }[] = []

  readonly write = (_: number, points: readonly WindowPoint[]): Promise<void> => {
    const fate = this.fates.shift() ?? 'answered'
    if (fate === 'answered') {
      this.#late.push(...this.#held.map(({ lateMs, points }) => ({ at: this.now + lateMs, points })))
      this.#held = []
      this.#apply(points)
      return Promise.resolve()
    }
    this.advance(TIMEOUT_MS)
    if (fate !== 'lost') {
      const { lateMs } = fate
      if (fate.isFrozen) this.#held.push({ lateMs, points })
      else this.#late.push({ at: this.now + lateMs, points })
    }
    return Promise.reject(new InfluxUnavailableError('planted'))
  }

  advance(ms: number): void {
    this.now += ms
    if (this.#held.length > 0) {
      this.#late = this.#late.map(({ at, points }) => ({ at: at + ms, points }))
      return
    }
    for (const { points } of this.#late.filter(({ at }) => at <= this.now)) this.#apply(points)
    this.#late = this.#late.filter(({ at }) => at > this.now)
  }

  #apply(points: readonly WindowPoint[]): void {
    for (const point of points) {
      if (point.source === undefined) this.values.set(`${point.windowStart}`, point.keysHeld)
      else this.values.set(`${point.windowStart}|${point.source}`, point.received)
    }
  }
}

const records = fc
  .array(fc.record({ source: fc.constantFrom('a', 'b', 'c'), step: fc.nat(4), received: fc.nat(9) }), {
    maxLength: 40,
  })
  .map((list) => {
    let windowStart = 100
    return list.map(({ source, step, received }, keysHeld) => {
      windowStart += step === 4 ? 10 : 0
      return statsOf({ source, received, windowStart, windowMs: 10, keysHeld })
    })
  })
const fate = fc.oneof(
  fc.constant('answered' as const),
  fc.constant('lost' as const),
  // A stray write takes less than three time-outs in all.
  fc.record({ lateMs: fc.integer({ min: TIMEOUT_MS / 2, max: 2 * TIMEOUT_MS - 1 }), isFrozen: fc.boolean() }),
)
/** Longer than the time after which a window is written for the last time. */
const FREEZE: readonly Fate[] = Array.from({ length: 5 }, () => ({ lateMs: 0, isFrozen: true }))
const step = fc.record({
  size: fc.integer({ min: 1, max: 4 }),
  fates: fc.oneof(fc.array(fate, { maxLength: 3 }), fc.constant(FREEZE)),
  lastWordFates: fc.array(fate, { maxLength: 2 }),
  // Mostly so little that a stray write meets the last write of its window.
  waitMs: fc.oneof(fc.constant(0), fc.nat(TIMEOUT_MS), fc.nat(4 * TIMEOUT_MS)),
  end: fc.constantFrom('lives', 'lives', 'killed before the commit', 'killed after the commit'),
})

it('leaves exact totals after any interruption, double write, late response or kill', async () => {
  await fc.assert(
    fc.asyncProperty(
      records,
      fc.array(step, { maxLength: 20 }),
      fc.nat(10),
      async (all, steps, upgradeAt) => {
        const log = new StatsLog()
        log.append(all)
        const database = new Database()
        // An earlier version has written and committed the first records.
        const before = WindowSums.empty.add(
          all.slice(0, upgradeAt).map((stats, i) => ({ offset: BigInt(i), stats })),
        )
        await database.write(0, before.changed)
        let position = Math.min(upgradeAt, all.length)
        let committed = { offset: BigInt(position), metadata: encodedAsBefore(before.sums) }
        let task: MetricExportTask | undefined
        const open = async (): Promise<MetricExportTask> => {
          const opened = new MetricExportTask({
            topic: TOPIC,
            partition: 0,
            logger: createLogger('test', 'silent'),
            reader: log.reader,
            write: database.write,
            writeTimeoutMs: TIMEOUT_MS,
            now: () => database.now,
            ...counters(),
          })
          await opened.restore(log.context(committed))
          return opened
        }
        const kill = async () => {
          await task?.close()
          task = undefined
        }
        const work = async ({ size, fates, lastWordFates, waitMs, end }: (typeof steps)[number]) => {
          database.fates = [...fates]
          task ??= await open()
          const to = Math.min(all.length, position + size)
          // The stage tries a batch again until it is written; a kill may come before.
          while (to > position) {
            const processed = await task.process(log.batch(position, to)).catch(() => undefined)
            if (end === 'killed before the commit') return kill()
            if (processed === undefined) continue
            await processed.committed?.(new Map())
            position = to
            committed = { offset: BigInt(to), metadata: processed.offsetMetadata! }
          }
          if (end === 'killed after the commit') return kill()
          database.advance(waitMs)
          database.fates = [...lastWordFates]
          await task.settle()
        }
        for (const one of steps) await work(one)
        await work({ size: all.length, fates: [], lastWordFates: [], waitMs: 0, end: 'lives' })
        for (let n = 0; n < 20; n++) {
          database.advance(TIMEOUT_MS)
          await task!.settle()
        }
        await kill()
        const expected = new Map<string, number>()
        for (const { source, windowStart, received, keysHeld } of all) {
          expected.set(`${windowStart}`, keysHeld)
          const key = `${windowStart}|${source}`
          expected.set(key, (expected.get(key) ?? 0) + received)
        }
        expect(Object.fromEntries(database.values)).toEqual(Object.fromEntries(expected))
      },
    ),
    { numRuns: 1_000 },
  )
})

/** As metadata were written when they held the sums. */
const encodedAsBefore = (sums: WindowSums): string => {
  const all = sums.openStart === undefined ? [] : sums.pointsOf(sums.openStart)
  const state = all.find((point) => point.source === undefined)
  const points = all.filter((point) => point.source !== undefined)
  const stored = points.map(({ source, received, deduplicated }) => [
    source,
    received,
    deduplicated,
    state?.rotations,
    state?.keysHeld,
  ])
  return JSON.stringify([sums.openStart ?? 0, stored])
}

it('has metadata of a few bytes, whatever the number and the names of sources', () => {
  const names = fc.uniqueArray(fc.string({ unit: 'grapheme', maxLength: 200 }), { maxLength: 500 })
  fc.assert(
    fc.property(names, fc.maxSafeNat(), fc.maxSafeNat(), (sources, offset, windowStart) => {
      const stats = sources.map((source) =>
        statsOf({ source, windowStart, received: Number.MAX_SAFE_INTEGER }),
      )
      const { sums } = WindowSums.empty.add(stats.map((one) => ({ offset: BigInt(offset), stats: one })))
      const metadata = encodeOrigin(sums, WindowSums.empty)
      expect(metadata.length).toBeLessThan(60)
      if (sources.length > 0) expect(decodeOrigin(metadata, 0n)).toMatchObject({ from: BigInt(offset) })
    }),
  )
})

it('has room for sums in the earlier form of metadata', () => {
  // A source's name has at most 40 letters, digits and dashes.
  const names = fc.uniqueArray(fc.stringMatching(/^[a-z][a-z0-9-]{0,39}$/), { minLength: 1, maxLength: 200 })
  fc.assert(
    fc.property(names, fc.maxSafeNat(), fc.maxSafeNat(), (sources, offset, counted) => {
      const stats = sources.map((source) =>
        statsOf({ source, windowStart: 1_700_000_000_000, received: counted }),
      )
      const { sums } = WindowSums.empty.add(stats.map((one) => ({ offset: BigInt(offset), stats: one })))
      const before = encodedAsBefore(sums)
      fc.pre(before.length <= METADATA_BYTES_MAX)
      const { base } = decodeOrigin(before, BigInt(offset))!
      const metadata = encodeOrigin(base, base)
      expect(metadata.length).toBeLessThanOrEqual(METADATA_BYTES_MAX)
      const again = decodeOrigin(metadata, BigInt(offset))!
      expect(again.base.pointsOf(1_700_000_000_000)).toEqual(sums.pointsOf(1_700_000_000_000))
    }),
  )
})

it('counts records into the open window that a longer window setting dates before it', () => {
  const record = (windowStart: number, windowMs: number, received: number) =>
    statsOf({ source: 'a', windowStart, windowMs, received })
  const database = new Map<number, number>()
  let sums = WindowSums.empty
  // Windows of 10 s up to 640 s, then of 300 s: what comes at 650 s is dated 600 s, where a point is already.
  const all = [
    record(600_000, 10_000, 1),
    record(640_000, 10_000, 2),
    record(600_000, 300_000, 4),
    record(900_000, 300_000, 8),
  ]
  for (const [i, stats] of all.entries()) {
    const added = sums.add([{ offset: BigInt(i), stats }])
    for (const point of added.changed) {
      if (point.source !== undefined) database.set(point.windowStart, point.received)
    }
    sums = added.sums
  }
  expect([...database]).toEqual([
    [600_000, 1],
    [640_000, 6],
    [900_000, 8],
  ])
})

describe('S4 Bloom dedup', () => {
  it('S4-06 counts valid events including their repeats, and malformed ones separately', () => {
    const { changed } = WindowSums.empty.add([
      {
        offset: 0n,
        stats: statsOf({ received: 10, duplicates: 5, malformed: 4, malformedRepeats: 3, keysHeld: 6 }),
      },
      { offset: 1n, stats: statsOf({ received: 2, malformed: 1, keysHeld: 8, rotations: 1 }) },
      {
        offset: 2n,
        stats: statsOf({ source: 'nice', received: 1, duplicates: 1, keysHeld: 8, rotations: 1 }),
      },
    ])
    const windowStart = 10_000
    expect(changed).toEqual([
      { source: 'cxone', windowStart, received: 7, deduplicated: 2, rejected: 5 },
      { source: undefined, windowStart, rotations: 1, keysHeld: 8 },
      { source: 'nice', windowStart, received: 1, deduplicated: 1, rejected: 0 },
    ])
  })
})
