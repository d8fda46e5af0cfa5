import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { mkdirSync } from 'node:fs'
import type { TopicNames } from '@weir/contracts'
import { StateError, type RestoreContext, type StatePartition } from '@weir/kafka'
import {
  openKeyStore,
  SeenKeys,
  type KeyStore,
  type KeyStoreOptions,
  type SeenKeysOptions,
} from '@weir/seen-keys'
import { failpoint, type Logger } from '@weir/service-kit'
import type { DedupMetrics } from './dedup-metrics.ts'
import { layoutFault } from './layout.ts'
import { StateReading } from './state-reading.ts'

export interface RestoreOptions {
  readonly topics: TopicNames
  readonly seenKeys: SeenKeysOptions
  readonly store: Omit<KeyStoreOptions, 'folder' | 'whose'>
  readonly stateDir: string
  readonly logger: Logger
  readonly metrics: DedupMetrics
  /** Rejects with a `StateError` when a partition without a state cannot be a new one. */
  requireNew(): Promise<void>
}

export interface RestoredState {
  readonly seen: SeenKeys
  readonly store: KeyStore
  readonly identity: string
  /** The state partition is empty: the first transaction has to write the identity. */
  readonly isNew: boolean
}

const PROGRESS_MS = 5_000

/**
 * Brings the keys of a partition to what its predecessors have committed. Throws a `StateError`, with the repair, when
 * the state topic does not have what it must have.
 */
export const restoreState = async (
  options: RestoreOptions,
  context: RestoreContext,
): Promise<RestoredState> => {
  const { logger } = options
  const { partition } = context
  const state = context.state!
  const startedAt = performance.now()
  const known = await identityOf(options, context, state)
  const identity = known ?? randomUUID()
  const store = await openStore(options, context, state, identity)
  try {
    const from = store.stateOffset
    const seen = new SeenKeys(options.seenKeys, store)
    const records = await readState(options, context, state, seen, from)
    seen.finishRestore()
    if (known === undefined) await options.requireNew()
    else requirePosition(state, partition, seen)
    const durationMs = Math.round(performance.now() - startedAt)
    const fields = { partition, fromOffset: String(from), records, keys: seen.keysHeld, durationMs }
    logger.info(fields, 'state restored')
    return { seen, store, identity, isNew: known === undefined }
  } catch (error) {
    await store.close()
    throw error
  }
}

const REPAIR = 'Stop dedup and run `weir dedup rebuild-state --partition'
const repair = (partition: number): string => `${REPAIR} ${partition}\`.`

const requirePosition = (
  { topic }: StatePartition,
  partition: number,
  { position, partitions }: SeenKeys,
): void => {
  if (Object.keys(position.next).length === 0) {
    throw new StateError(`${topic}/${partition} has an identity and no position. ${repair(partition)}`)
  }
  const fault = layoutFault(position, partitions)
  if (fault !== undefined) throw new StateError(`${topic}/${partition} ${fault}`)
}

/** undefined: the partition is new. */
const identityOf = async (
  { topics }: RestoreOptions,
  context: RestoreContext,
  state: StatePartition,
): Promise<string | undefined> => {
  const { partition } = context
  const first = await state.first(state.logStartOffset)
  if (first === undefined) {
    if (context.committed(topics.received) === undefined) return undefined
    throw new StateError(
      `${state.topic}/${partition} is empty and the group has committed offsets: the state was deleted. ` +
        repair(partition),
    )
  }
  const [record] = new StateReading().decode([first])
  if (record?.kind === 'identity') return record.identity
  throw new StateError(
    `${state.topic}/${partition} does not begin with its identity: its records were deleted. ` + REPAIR,
  )
}

const openStore = async (
  { store: options, stateDir, logger }: RestoreOptions,
  { partition, clusterId }: RestoreContext,
  { topic, logStartOffset, barrierOffset }: StatePartition,
  identity: string,
): Promise<KeyStore> => {
  const folder = join(stateDir, `partition-${partition}`)
  mkdirSync(folder, { recursive: true })
  const { store, discarded } = await openKeyStore({
    ...options,
    folder,
    whose: { clusterId, topic, partition, identity },
    logStart: logStartOffset,
    barrier: barrierOffset,
  })
  if (discarded !== undefined) {
    logger.warn(
      { partition, reason: discarded },
      'the checkpoint is discarded, restoring from the state topic',
    )
  }
  return store
}

/** Returns how many records there were. Throws a `StateError` that names a damaged record: a key that is not known any more would let its repeats through. */
const readState = async (
  { logger, metrics }: RestoreOptions,
  { partition }: RestoreContext,
  state: StatePartition,
  seen: SeenKeys,
  from: bigint,
): Promise<number> => {
  const { topic, barrierOffset } = state
  const labels = { partition: String(partition) }
  const reading = new StateReading()
  let records = 0
  let reportAt = performance.now() + PROGRESS_MS
  metrics.restoreLeft.set(labels, Number(barrierOffset - from))
  await state.read(from, async (batch, nextOffset) => {
    failpoint('dedup.restoring')
    const decoded = reading.decode(batch)
    await seen.restored(decoded, reading.firstDamaged?.offset ?? nextOffset)
    records += batch.length
    metrics.restoredRecords.inc(batch.length)
    const left = Number(barrierOffset - nextOffset)
    metrics.restoreLeft.set(labels, Math.max(0, left))
    if (performance.now() < reportAt) return
    reportAt = performance.now() + PROGRESS_MS
    const percent = Math.round((100 * Number(nextOffset - from)) / Number(barrierOffset - from))
    logger.info({ topic, partition, percent, offsetsLeft: left, keys: seen.keysHeld }, 'restoring state')
  })
  metrics.restoreLeft.set(labels, 0)
  const damaged = reading.firstDamaged
  if (damaged !== undefined) {
    throw new StateError(
      `${topic}/${partition}, offset ${damaged.offset}: ${damaged.message}. ${repair(partition)}`,
    )
  }
  return records
}
