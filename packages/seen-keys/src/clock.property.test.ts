import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventKeyOf } from '@weir/contracts'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { BUCKETS_PER_WINDOW } from './store/bucket.ts'
import { decodeStateRecord, openKeyStore, SeenKeys, stateRecordsOf, StoreMemory } from './index.ts'
import type { KeyAndValue } from './store/state-record.ts'
import { whose } from './testing/transactions.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const HASH = Buffer.alloc(8, 1)
const START = 1_700_000_000_000

type Command =
  /** Time goes on, both clocks are `skews` off from now on, and events come. */
  | {
      readonly kind: 'batch'
      readonly passes: number
      readonly ownSkew: number
      readonly brokerSkew: number
      readonly keys: readonly number[]
      readonly commits: boolean
    }
  /** Another owner, with a window of its own setting. */
  | { readonly kind: 'owner'; readonly windowMs: number; readonly keepsCheckpoint: boolean }

const skew = fc.constantFrom(0, 0, 0, 5 * MINUTE, -5 * MINUTE, -HOUR, 365 * 24 * HOUR)
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('batch' as const),
      passes: fc.oneof(fc.nat(2 * MINUTE), fc.nat(2 * HOUR)),
      ownSkew: skew,
      brokerSkew: skew,
      keys: fc.array(fc.nat(40), { minLength: 1, maxLength: 12 }),
      commits: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, fc.constant(false)),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('owner' as const),
      windowMs: fc.constantFrom(HOUR, 6 * HOUR, 24 * HOUR, 7 * 24 * HOUR),
      keepsCheckpoint: fc.boolean(),
    }),
  },
)

interface Held {
  /** Effective time at which it came. */
  readonly at: number
  /** Of the bucket that it came into. */
  readonly bucketMs: number
  /** False: some owner's window has passed since, so it may be gone. */
  readonly mustBeHeld: boolean
}

const open = async (folder: string, windowMs: number, log: readonly KeyAndValue[], keeps: boolean) => {
  if (!keeps) rmSync(folder, { recursive: true, force: true })
  const { store } = await openKeyStore({
    folder,
    whose,
    logStart: 0n,
    barrier: BigInt(log.length),
    filterErrorRate: 0.01,
    freshKeysMax: 16,
    memory: new StoreMemory(1e6),
  })
  const seen = new SeenKeys({ windowMs, partitions: 1 }, store)
  const rest = log.slice(Number(store.stateOffset))
  if (rest.length > 0) await seen.restored(rest.map(decodeStateRecord), BigInt(log.length))
  seen.finishRestore()
  return { seen, store }
}

it('S4-05 evicts no key early and every key in the end, whatever the clocks, the owners and the window do', async () => {
  let held = 0
  let evicted = 0
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 40, size: 'max' }), async (commands) => {
      const folder = mkdtempSync(join(tmpdir(), 'weir-clock-'))
      const log: KeyAndValue[] = []
      let windowMs = 24 * HOUR
      let model = new Map<number, Held>()
      let effective = 0
      let trueTime = START
      let offset = 0n
      let { seen, store } = await open(folder, windowMs, log, false)
      try {
        for (const one of commands) {
          if (one.kind === 'owner') {
            await store.close()
            windowMs = one.windowMs
            ;({ seen, store } = await open(folder, windowMs, log, one.keepsCheckpoint))
            continue
          }
          trueTime += one.passes
          const [record, own] = [trueTime + one.brokerSkew, trueTime + one.ownSkew]
          const now = Math.max(effective, Math.min(record, own))
          const staged = seen.stage()
          staged.advance(record, own)
          expect(staged.effectiveTime).toBe(now)
          const next = new Map<number, Held>()
          for (const [key, before] of model) {
            next.set(key, { ...before, mustBeHeld: before.mustBeHeld && now - before.at < windowMs })
          }
          for (const key of one.keys) {
            const before = next.get(key)
            const { kind } = staged.check(eventKeyOf('s', String(key)), HASH)
            if (before === undefined) expect(kind).toBe('new')
            else if (before.mustBeHeld) {
              expect(kind).toBe('duplicate')
              held += 1
            }
            if (kind !== 'new') continue
            next.set(key, { at: now, bucketMs: Math.ceil(windowMs / BUCKETS_PER_WINDOW), mustBeHeld: true })
          }
          const change = staged.seal('in', offset, offset + 1n)
          if (!one.commits) continue
          offset += 1n
          log.push(...stateRecordsOf(change))
          await seen.apply(change, BigInt(log.length))
          model = next
          effective = now
          const after = seen.stage()
          for (const [key, { at, bucketMs }] of model) {
            if (now - at < windowMs + bucketMs) continue
            expect(after.check(eventKeyOf('s', String(key)), HASH).kind).toBe('new')
            model.delete(key)
            evicted += 1
          }
        }
      } finally {
        await store.close()
        rmSync(folder, { recursive: true, force: true })
      }
    }),
    { numRuns: 80 },
  )
  expect(held).toBeGreaterThan(100)
  expect(evicted).toBeGreaterThan(10)
}, 120_000)
