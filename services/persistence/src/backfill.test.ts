import fc from 'fast-check'
import { expect, it } from 'vitest'
import { backfill, type BackfillOptions, type BackfillProgress } from './backfill.ts'
import type { ShapeGaps } from '@weir/row-sink'

/** A table in memory, and what is known of its shapes. */
class Model {
  /** By hexadecimal key: how many fields the row was filled with. */
  readonly rows = new Map<string, number>()
  /** By the same key, on the clock of `now`. */
  readonly storedAt = new Map<string, number>()
  fields = 1
  newestAt = 0
  now = 1_000_000
  mark: { afterKey: Buffer; lookedAt: number; filled: number; target: number } | undefined
  isBusy = false
  chunks = 0
  onChunk: () => void = () => undefined

  readonly known = {
    refresh: () => Promise.resolve(),
    newestAt: () => this.newestAt,
    gaps: (): readonly ShapeGaps[] =>
      this.fields === 0
        ? []
        : [{ source: 's', eventType: 't', fingerprint: 'f', number: 2, missing: [String(this.fields)] }],
  }

  readonly filler = {
    alone: async <T>(_: string, act: () => Promise<T>) => (this.isBusy ? undefined : act()),
    forget: () => {
      this.mark = undefined
      return Promise.resolve()
    },
    position: (_: string, gaps: readonly ShapeGaps[]) =>
      Promise.resolve(this.mark?.target === wanted(gaps) ? this.mark : undefined),
    fillRecent: (gaps: readonly ShapeGaps[], ms: number) => {
      const recent = [...this.rows.keys()].filter((key) => this.storedAt.get(key)! >= this.now - ms)
      return Promise.resolve(this.#fill(recent, wanted(gaps)))
    },
    fillChunk: (
      _: string,
      gaps: readonly ShapeGaps[],
      after: Buffer,
      { rows, isDryRun }: { readonly rows: number; readonly isDryRun: boolean },
    ) => {
      this.chunks += 1
      const keys = [...this.rows.keys()]
        .sort()
        .filter((key) => key > after.toString('hex'))
        .slice(0, rows)
      const lacking = keys.filter((key) => this.rows.get(key)! < wanted(gaps))
      const filled = isDryRun ? lacking.length : this.#fill(keys, wanted(gaps))
      const last = keys.at(-1)
      const lastKey = last === undefined ? undefined : Buffer.from(last, 'hex')
      if (!isDryRun && lastKey !== undefined) {
        const before = this.mark?.target === wanted(gaps) ? this.mark : { lookedAt: 0, filled: 0 }
        this.mark = {
          afterKey: lastKey,
          lookedAt: before.lookedAt + keys.length,
          filled: before.filled + filled,
          target: wanted(gaps),
        }
      }
      this.onChunk()
      return Promise.resolve({ lastKey, lookedAt: keys.length, filled })
    },
  }

  add(count: number): void {
    for (let i = 0; i < count; i++) this.#store(`${this.rows.size.toString(16).padStart(12, '0')}0000`)
  }

  /** A key that sorts before nearly all others. */
  addBehind(): void {
    this.#store('0000000000000001')
  }

  run(options: Partial<BackfillOptions> = {}) {
    return backfill(this.known, this.filler, {
      source: 's',
      isDryRun: false,
      ratePerSec: 100,
      now: () => this.now,
      wait: (ms) => {
        this.now += ms
        return Promise.resolve()
      },
      ...options,
    })
  }

  get lacking(): number {
    return [...this.rows.values()].filter((fields) => fields < this.fields).length
  }

  #store(key: string): void {
    this.rows.set(key, this.fields - 1)
    this.storedAt.set(key, this.now)
  }

  #fill(keys: readonly string[], fields: number): number {
    const lacking = keys.filter((key) => this.rows.get(key)! < fields)
    for (const key of lacking) this.rows.set(key, fields)
    return lacking.length
  }
}

const wanted = (gaps: readonly ShapeGaps[]): number => Number(gaps[0]!.missing[0])

it('S3-04 backfills each row that lacks a field, within the rate limit, and reports its progress', async () => {
  const model = new Model()
  model.add(1_000)
  const shown: BackfillProgress[] = []
  const beganAt = model.now
  expect(await model.run({ onProgress: (progress) => shown.push(progress) })).toEqual({
    kind: 'done',
    lookedAt: 1_000,
    filled: 1_000,
  })
  expect(model.lacking).toBe(0)
  expect(model.now - beganAt).toBeGreaterThanOrEqual(9_900)
  expect(shown.map(({ share }) => share)).toEqual(shown.map(({ share }) => share).sort((a, b) => a - b))
  expect(shown.at(-1)).toEqual({ share: 1, lookedAt: 1_000, filled: 1_000 })
  expect(model.mark).toBeUndefined()
})

it('S3-04 changes nothing in a dry run, and counts the same', async () => {
  const model = new Model()
  model.add(250)
  expect(await model.run({ isDryRun: true })).toMatchObject({ kind: 'done', lookedAt: 250, filled: 250 })
  expect([model.lacking, model.mark]).toEqual([250, undefined])
})

it('S3-04 counts all rows in a dry run, even after an interrupted run', async () => {
  const model = new Model()
  model.add(250)
  const stopping = new AbortController()
  model.onChunk = () => stopping.abort()
  expect(await model.run({ signal: stopping.signal })).toMatchObject({ kind: 'stopped', filled: 100 })
  expect(await model.run({ isDryRun: true })).toMatchObject({ kind: 'done', lookedAt: 250, filled: 150 })
})

it('S3-04 resumes after a stop or a kill, and starts over when there is something else to fill', async () => {
  const stops = fc.record({
    rows: fc.integer({ min: 0, max: 700 }),
    after: fc.integer({ min: 1, max: 9 }),
    grows: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(stops, async ({ rows, after, grows }) => {
      const model = new Model()
      model.add(rows)
      const stopping = new AbortController()
      model.onChunk = () => {
        if (model.chunks === after) stopping.abort()
      }
      const first = await model.run({ signal: stopping.signal })
      model.onChunk = () => undefined
      if (grows) model.fields += 1
      const chunks = model.chunks
      expect(await model.run()).toMatchObject({ kind: 'done' })
      expect(model.lacking).toBe(0)
      const all = Math.floor(rows / 100) + 1
      if (first.kind === 'stopped' && !grows) expect(model.chunks - chunks).toBe(all - chunks)
    }),
  )
})

it('S3-04 fills rows that an instance wrote before it knew a new field, during the walk', async () => {
  const model = new Model()
  model.add(300)
  model.onChunk = () => {
    if (model.chunks !== 2) return
    // A field appears, and for a while an instance writes rows without it, ahead of the walk and behind it.
    model.fields += 1
    model.newestAt = model.now
    model.add(50)
  }
  expect(await model.run()).toMatchObject({ kind: 'done' })
  expect(model.lacking).toBe(0)
})

it('S3-04 fills, at its end, rows that an instance wrote behind the walk before it knew the field', async () => {
  const model = new Model()
  model.add(300)
  model.newestAt = model.now
  model.onChunk = () => {
    if (model.chunks === 2) model.addBehind()
  }
  expect(await model.run()).toEqual({ kind: 'done', lookedAt: 300, filled: 301 })
  expect(model.lacking).toBe(0)
})

it('does not run twice for a source, and reports a source without known shapes', async () => {
  const model = new Model()
  model.isBusy = true
  expect(await model.run()).toEqual({ kind: 'busy' })
  model.fields = 0
  expect(await model.run()).toEqual({ kind: 'unknown' })
})
