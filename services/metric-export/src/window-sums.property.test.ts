import type { DedupStats } from '@weir/contracts'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { WindowSums, type WindowPoint } from './window-sums.ts'

const stats = fc
  .array(
    fc.record({
      source: fc.constantFrom('a', 'b', 'c'),
      step: fc.nat(2),
      received: fc.nat(9),
      duplicates: fc.nat(9),
    }),
    {
      maxLength: 60,
    },
  )
  .map((list) => {
    let window = 100
    return list.map(({ source, step, received, duplicates }): DedupStats => {
      window += step === 2 ? 10 : 0
      return {
        ...{ source, received, duplicates, partition: 0, windowStart: window, windowMs: 10, unique: 0 },
        ...{ returned: 0, conflicts: 0, deadLettered: 0, rejected: 0, rotations: 0, keysHeld: 0 },
      }
    })
  })

it('leaves exact totals, however the records are cut into batches and whichever batch is written twice', () => {
  fc.assert(
    fc.property(
      stats,
      fc.infiniteStream(fc.nat(7)),
      fc.infiniteStream(fc.boolean()),
      (records, sizes, crashes) => {
        // A time series database: one value for each series and time.
        const database = new Map<string, WindowPoint>()
        let committed = { offset: 0, metadata: '' }
        while (committed.offset < records.length) {
          const size = 1 + Number(sizes.next().value)
          const batch = records.slice(committed.offset, committed.offset + size)
          const { sums, changed } = WindowSums.decode(committed.metadata).add(batch)
          for (const point of changed) database.set(`${point.source}|${point.windowStart}`, point)
          // Crashed between the write and the commit: the same offset and metadata again.
          if (crashes.next().value === true) continue
          committed = { offset: committed.offset + batch.length, metadata: sums.encode() }
        }
        const sum = (list: Iterable<{ received: number }>) =>
          [...list].reduce((total, one) => total + one.received, 0)
        expect(sum(database.values())).toBe(sum(records))
        expect(committed.metadata.length).toBeLessThan(4_096)
      },
    ),
  )
})

it('counts into the open window what a longer window, set between two starts, dates before it', () => {
  const record = (windowStart: number, windowMs: number, received: number): DedupStats => ({
    ...{ source: 'a', partition: 0, windowStart, windowMs, received, unique: received, duplicates: 0 },
    ...{ returned: 0, conflicts: 0, deadLettered: 0, rejected: 0, rotations: 0, keysHeld: 0 },
  })
  const database = new Map<number, number>()
  let metadata = ''
  // Windows of 10 s up to 640 s, then of 300 s: what comes at 650 s is dated 600 s, where a point is already.
  for (const stats of [
    record(600_000, 10_000, 1),
    record(640_000, 10_000, 2),
    record(600_000, 300_000, 4),
    record(900_000, 300_000, 8),
  ]) {
    const { sums, changed } = WindowSums.decode(metadata).add([stats])
    for (const { windowStart, received } of changed) database.set(windowStart, received)
    metadata = sums.encode()
  }
  expect([...database]).toEqual([
    [600_000, 1],
    [640_000, 6],
    [900_000, 8],
  ])
})
