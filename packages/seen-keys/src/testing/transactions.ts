import { createHash } from 'node:crypto'
import { asEventKey, type EventKey } from '@weir/contracts'
import { openKeyStore, SeenKeys, StoreMemory, type OpenedStore, type StoreIdentity } from '../index.ts'

/** A run of transactions that are the same each time: number t covers input offset t and its state ends at t + 1. */
export const WINDOW_MS = 240
export const KEYS_EACH = 20
/** A bucket is 10 ms, so it has so many transactions. */
const TRANSACTIONS_PER_MS = 5

export const whose: StoreIdentity = { clusterId: 'c', topic: 't', partition: 0, identity: 'i' }

export const timeOf = (t: number): number => Math.floor(t / TRANSACTIONS_PER_MS)

export const keysOf = (t: number): readonly { readonly eventKey: EventKey; readonly bodyHash: Buffer }[] =>
  Array.from({ length: KEYS_EACH }, (_, i) => {
    const bytes = createHash('sha256').update(`${t}/${i}`).digest()
    return { eventKey: asEventKey(bytes.subarray(0, 16)), bodyHash: bytes.subarray(16, 24) }
  })

/** With so few fresh keys, runs are written and merged all the time. */
export const openStore = (folder: string, barrier = Number.MAX_SAFE_INTEGER): Promise<OpenedStore> =>
  openKeyStore({
    folder,
    whose,
    logStart: 0n,
    barrier: BigInt(barrier),
    filterErrorRate: 0.001,
    freshKeysMax: 200,
    memory: new StoreMemory(1e8),
  })

export const applyTransaction = async (seen: SeenKeys, t: number): Promise<void> => {
  const staged = seen.stage()
  staged.advance(timeOf(t), Number.MAX_SAFE_INTEGER)
  for (const { eventKey, bodyHash } of keysOf(t)) {
    const { kind } = staged.check(eventKey, bodyHash)
    if (kind !== 'new') throw new Error(`a key of transaction ${t} is a ${kind} before it was added`)
  }
  await seen.apply(staged.seal('in', BigInt(t), BigInt(t + 1)), BigInt(t + 1))
}

/**
 * Looks for every key of the window and for those of the next transactions: throws when one is missing that the
 * store says to include, or there that it does not. Returns how many transactions are included.
 */
export const checkStore = ({ store }: OpenedStore): number => {
  const seen = new SeenKeys({ windowMs: WINDOW_MS, partitions: 1 }, store)
  const end = Number(store.stateOffset)
  if (Number(seen.position.next.in ?? 0n) !== end) throw new Error('position and state offset disagree')
  const staged = seen.stage()
  const first = Math.max(0, end - (WINDOW_MS - 1) * TRANSACTIONS_PER_MS)
  for (let t = first; t < end + 30; t++) {
    for (const { eventKey, bodyHash } of keysOf(t)) {
      const { kind } = staged.check(eventKey, bodyHash)
      const expected = t < end ? 'duplicate' : 'new'
      if (kind !== expected)
        throw new Error(`a key of transaction ${t} of ${end} is ${kind}, not ${expected}`)
    }
  }
  return end
}
