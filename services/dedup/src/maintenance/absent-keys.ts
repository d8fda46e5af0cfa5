import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Claim, InputRecord, Maintenance } from '@weir/kafka'
import {
  CHUNK_KEYS_MAX,
  encodeChunk,
  openKeyStore,
  SeenKeys,
  StoreMemory,
  type Position,
  type StagedKeys,
} from '@weir/seen-keys'
import { FRESH_KEYS_MAX } from '../config.ts'
import { StateReading } from '../state-reading.ts'
import { dedupPipeline } from '../pipeline.ts'
import { readKeys } from '../steps/read-keys.ts'
import type { DurableKey } from './durable-keys.ts'
import type { InputPlan } from './repair-plan.ts'

const FILTER_BYTES_MAX = 268_435_456
const FILTER_ERROR_RATE = 0.001

interface Target {
  readonly maintenance: Maintenance
  /** undefined: nothing is written, only counted. */
  readonly claim: Claim | undefined
  /** The state partition. */
  readonly topic: string
  readonly partition: number
  readonly position: Position
  readonly windowMs: number
  /** Keys of records that will be deleted. Entries that the log still has from before them do not count. */
  readonly lost: ReadonlySet<string>
}

/** Input records about which dedup has not decided. */
interface Undecided {
  readonly topic: string
  readonly undecided: number
  /** The first skipped record. */
  readonly from: bigint
}

/**
 * Writes chunks of the keys that a state partition lacks into the bucket of its effective time, so that they are held
 * for a whole window from there and never for less. Looks the keys up in a temporary store. Returns how many keys
 * there were, and which skipped inputs have no key even then.
 */
export const addAbsentKeys = async (
  target: Target,
  read: (onKeys: (keys: readonly DurableKey[]) => Promise<void>) => Promise<void>,
  plans: readonly Pick<InputPlan, 'topic' | 'skipped'>[],
): Promise<{ readonly added: number; readonly undecided: readonly Undecided[] }> => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-rebuild-'))
  const { topic, partition } = target
  const { store } = await openKeyStore({
    folder,
    filterErrorRate: FILTER_ERROR_RATE,
    freshKeysMax: FRESH_KEYS_MAX,
    memory: new StoreMemory(FILTER_BYTES_MAX),
    whose: { clusterId: '', topic, partition, identity: '' },
    logStart: 0n,
    barrier: 0n,
  })
  try {
    const seen = new SeenKeys(
      { windowMs: target.windowMs, partitions: target.position.partitions ?? 1 },
      store,
    )
    const added = await add(target, seen, read)
    return { added, undecided: await undecidedOf(target, seen, plans) }
  } finally {
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

const add = async (
  { maintenance, claim, topic, partition, position, lost }: Target,
  seen: SeenKeys,
  read: (onKeys: (keys: readonly DurableKey[]) => Promise<void>) => Promise<void>,
): Promise<number> => {
  const reading = new StateReading()
  const { start } = await maintenance.range(topic, partition)
  let offset = await maintenance.read(topic, partition, start, (records, nextOffset) => {
    const stays = records.filter(({ key }) => !lost.has(key?.toString() ?? ''))
    return seen.restored(reading.decode(stays), nextOffset)
  })
  await seen.restored([{ kind: 'position', position }], offset)
  let added = 0
  const write = async (staged: StagedKeys): Promise<void> => {
    // Each name contains an offset that occurs once, so no call overwrites the chunks of an earlier one.
    const chunks = staged.seal('rebuilt', offset, 0n).chunks
    const outputs = chunks.map(({ chunkKey, entries }) => ({
      topic,
      partition,
      headers: {},
      ...encodeChunk(chunkKey, entries),
    }))
    const written = await claim?.commit(outputs)
    offset = written?.get(`${topic}/${partition}`) ?? offset + 1n
    added += staged.addedCount
    await seen.restored(
      chunks.map((chunk) => ({ kind: 'chunk', ...chunk })),
      offset,
    )
  }
  let staged = seen.stage()
  await read(async (keys) => {
    for (const { eventKey, bodyHash } of keys) {
      staged.check(eventKey, bodyHash)
      if (staged.addedCount < CHUNK_KEYS_MAX) continue
      await write(staged)
      staged = seen.stage()
    }
  })
  if (staged.addedCount > 0) await write(staged)
  return added
}

/**
 * Decides as dedup would decide now. A record that dedup has handled is a repeat, or has no key because its headers
 * are unreadable.
 */
const undecidedOf = async (
  { maintenance, partition, position }: Target,
  seen: SeenKeys,
  plans: readonly Pick<InputPlan, 'topic' | 'skipped'>[],
): Promise<readonly Undecided[]> => {
  const all: Undecided[] = []
  for (const { topic, skipped } of plans) {
    if (skipped === undefined) continue
    const { from, to } = skipped
    let undecided = 0
    const take = (records: readonly InputRecord[]): void => {
      const pipeline = dedupPipeline(seen.stage(), partition, position.partitions ?? 1)
      for (const record of records) {
        const outcome = pipeline.run(record)
        const hasKeys = outcome.kind !== 'deadLetter' || outcome.step !== readKeys.name
        if (hasKeys && outcome.kind !== 'drop') undecided += 1
      }
    }
    await maintenance.read(topic, partition, from, take, to)
    if (undecided > 0) all.push({ topic, undecided, from })
  }
  return all
}
