import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventKeyOf } from '@weir/contracts'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  Checkpoint,
  decodeStateRecord,
  encodeChunk,
  encodePosition,
  encodeTombstone,
  SeenKeys,
  type CheckpointIdentity,
} from './index.ts'

const identity: CheckpointIdentity = { clusterId: 'c', topic: 't', partition: 0, identity: 'i' }
const WINDOW_MS = 240
const options = { windowMs: WINDOW_MS, filters: { capacity: 16_384, errorRate: 0.01 } }
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

/** A state topic: what is committed, in order. */
type Log = { key: Buffer; value: Buffer | null }[]

const restore = (folder: string, log: Log, keeps: boolean) => {
  if (!keeps) rmSync(folder, { recursive: true, force: true })
  const checkpoint = Checkpoint.open(folder)
  const valid = checkpoint.validate(identity, 0n, BigInt(log.length))
  const from = typeof valid === 'bigint' ? Number(valid) : 0
  const seen = new SeenKeys(options, checkpoint)
  for (let at = from; at < log.length; at += 3) {
    const records = log.slice(at, at + 3)
    seen.restored(records.map(decodeStateRecord), identity, BigInt(at + records.length))
  }
  seen.finishRestore()
  return { seen, checkpoint }
}

it('decides as a plain map does that never evicts within the window, over aborts and restarts', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 25 }), async (commands) => {
      const folder = mkdtempSync(join(tmpdir(), 'weir-seen-'))
      const log: Log = []
      let model = new Map<number, { hash: number; at: number }>()
      let { seen, checkpoint } = restore(folder, log, true)
      let offset = 0n
      try {
        for (const one of commands) {
          if (one.kind === 'restart') {
            await checkpoint.close()
            const keysHeld = seen.keysHeld
            ;({ seen, checkpoint } = restore(folder, log, one.keeps))
            expect(seen.keysHeld).toBe(keysHeld)
            continue
          }
          const staged = seen.stage()
          const next = new Map(model)
          let time = staged.effectiveTime
          for (const [key, hash, step] of one.keys) {
            time += step
            staged.advance(time, Number.MAX_SAFE_INTEGER)
            const verdict = staged.check(eventKeyOf('s', String(key)), hashes[hash]!)
            const before = next.get(key)
            if (before !== undefined && time - before.at < WINDOW_MS) {
              expect(verdict.kind).toBe(before.hash === hash ? 'duplicate' : 'conflict')
            }
            if (before === undefined) expect(verdict.kind).toBe('new')
            if (verdict.kind === 'new') next.set(key, { hash, at: time })
          }
          staged.cover('in', offset, offset + 1n)
          if (!one.commits) continue
          offset += 1n
          for (const { chunkKey, keys } of staged.chunks()) log.push(encodeChunk(chunkKey, keys))
          for (const chunkKey of staged.expired().chunkKeys) log.push(encodeTombstone(chunkKey))
          log.push(encodePosition(staged.position()))
          seen.apply(staged, identity, BigInt(log.length))
          model = next
          expect(seen.position.next.in).toBe(offset)
        }
      } finally {
        await checkpoint.close()
        rmSync(folder, { recursive: true, force: true })
      }
    }),
    { numRuns: 60 },
  )
}, 60_000)

it('trusts no checkpoint of another partition, cluster or identity, nor one outside the log', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-seen-'))
  const checkpoint = Checkpoint.open(folder)
  try {
    expect(checkpoint.validate(identity, 0n, 9n)).toEqual({ invalid: 'there is none' })
    const staged = new SeenKeys(options, checkpoint).stage()
    checkpoint.apply({ identity, stateOffset: 5n, position: staged.position(), chunks: [], goneChunks: [] })
    expect(checkpoint.validate(identity, 0n, 9n)).toBe(5n)
    expect(checkpoint.validate({ ...identity, partition: 1 }, 0n, 9n)).toEqual({
      invalid: 'its partition is another',
    })
    expect(checkpoint.validate({ ...identity, clusterId: 'x' }, 0n, 9n)).toEqual({
      invalid: 'its clusterId is another',
    })
    expect(checkpoint.validate({ ...identity, identity: 'x' }, 0n, 9n)).toEqual({
      invalid: 'its identity is another',
    })
    expect(checkpoint.validate(identity, 6n, 9n)).toEqual({ invalid: 'its offset is not in the log' })
    expect(checkpoint.validate(identity, 0n, 4n)).toEqual({ invalid: 'its offset is not in the log' })
  } finally {
    await checkpoint.close()
    rmSync(folder, { recursive: true, force: true })
  }
})
