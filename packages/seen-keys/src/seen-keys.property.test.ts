import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventKeyOf } from '@weir/contracts'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  decodeStateRecord,
  openKeyStore,
  SeenKeys,
  stateRecordsOf,
  StoreMemory,
  type StoreIdentity,
} from './index.ts'
import type { KeyAndValue } from './store/state-record.ts'

const whose: StoreIdentity = { clusterId: 'c', topic: 't', partition: 0, identity: 'i' }
const WINDOW_MS = 240
const hashes = [Buffer.alloc(8, 1), Buffer.alloc(8, 2)]

type Command =
  | {
      readonly kind: 'batch'
      readonly keys: readonly (readonly [key: number, hash: number, step: number])[]
      readonly commits: boolean
    }
  /** `keeps`: with the checkpoint, else from the topic alone. */
  | { readonly kind: 'restart'; readonly keeps: boolean }

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('batch' as const),
      keys: fc.array(fc.tuple(fc.nat(30), fc.nat(1), fc.nat(40)), { minLength: 1, maxLength: 20 }),
      commits: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), keeps: fc.boolean() }) },
)

/** The second transaction adds a key that has expired before its end, to a bucket that the first one began. */
const LONGER_THAN_THE_WINDOW: readonly Command[] = [
  { kind: 'batch', keys: [[0, 0, 0]], commits: true },
  {
    kind: 'batch',
    keys: [[1, 0, 3], ...Array.from({ length: 8 }, () => [0, 0, 31] as const)],
    commits: true,
  },
  { kind: 'restart', keeps: false },
]

const restore = async (folder: string, log: readonly KeyAndValue[], keeps: boolean) => {
  if (!keeps) rmSync(folder, { recursive: true, force: true })
  const { store } = await openKeyStore({
    folder,
    whose,
    logStart: 0n,
    barrier: BigInt(log.length),
    // So small that runs are written and merged all the time.
    filterErrorRate: 0.01,
    freshKeysMax: 8,
    memory: new StoreMemory(1e6),
  })
  const seen = new SeenKeys({ windowMs: WINDOW_MS, partitions: 1 }, store)
  for (let at = Number(store.stateOffset); at < log.length; at += 3) {
    const records = log.slice(at, at + 3)
    await seen.restored(records.map(decodeStateRecord), BigInt(at + records.length))
  }
  seen.finishRestore()
  return { seen, store }
}

it('decides like a plain map that never evicts within the window, over aborts and restarts', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 25 }), async (commands: readonly Command[]) => {
      const folder = mkdtempSync(join(tmpdir(), 'weir-seen-'))
      const log: KeyAndValue[] = []
      let model = new Map<number, { hash: number; at: number }>()
      let { seen, store } = await restore(folder, log, true)
      let offset = 0n
      try {
        for (const one of commands) {
          if (one.kind === 'restart') {
            await store.close()
            const keysHeld = seen.keysHeld
            ;({ seen, store } = await restore(folder, log, one.keeps))
            expect(seen.keysHeld).toBe(keysHeld)
            continue
          }
          const staged = seen.stage()
          const next = new Map(model)
          let time = staged.effectiveTime
          for (const [key, hash, step] of one.keys) {
            time += step
            staged.advance(time, Number.MAX_SAFE_INTEGER)
            const result = staged.check(eventKeyOf('s', String(key)), hashes[hash]!)
            const before = next.get(key)
            if (before !== undefined && time - before.at < WINDOW_MS) {
              expect(result.kind).toBe(before.hash === hash ? 'duplicate' : 'conflict')
            }
            if (before === undefined) expect(result.kind).toBe('new')
            if (result.kind === 'new') next.set(key, { hash, at: time })
          }
          const change = staged.seal('in', offset, offset + 1n)
          if (!one.commits) continue
          offset += 1n
          log.push(...stateRecordsOf(change))
          await seen.apply(change, BigInt(log.length))
          model = next
          expect(seen.position.next.in).toBe(offset)
        }
      } finally {
        await store.close()
        rmSync(folder, { recursive: true, force: true })
      }
    }),
    { numRuns: 200, examples: [[LONGER_THAN_THE_WINDOW]] },
  )
}, 120_000)
