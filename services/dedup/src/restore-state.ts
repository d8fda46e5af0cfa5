import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { mkdirSync, rmSync } from 'node:fs'
import type { TopicNames } from '@weir/contracts'
import { ProcessorError, StateError, type RestoreContext, type ChangelogPartition } from '@weir/kafka'
import {
  openKeyStore,
  parsePosition,
  SeenKeys,
  StoreNewerError,
  type KeyStore,
  type KeyStoreOptions,
  type SeenKeysOptions,
} from '@weir/seen-keys'
import { failpoint, type Logger } from '@weir/runtime'
import { checkpointFault, lastPosition } from './checkpoint-check.ts'
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
  /** Rejects with a `StateError` when a partition without state cannot be a new one. */
  requireNew(): Promise<void>
}

export interface RestoredState {
  readonly seen: SeenKeys
  readonly store: KeyStore
  readonly identity: string
  /** The state partition is empty, so the first transaction must write the identity. */
  readonly isNew: boolean
}

const PROGRESS_MS = 5_000

/**
 * Restores the keys that earlier owners of a partition have committed. Throws a `StateError` that names the repair
 * when the changelog is incomplete.
 */
export const restoreState = async (
  options: RestoreOptions,
  context: RestoreContext,
): Promise<RestoredState> => {
  const { logger } = options
  const { partition } = context
  const state = context.state!
  const startedAt = performance.now()
  const known = await identityOf(partition, state)
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

export const repairSentence = (partition: number): string =>
  `Stop dedup and run \`weir dedup rebuild-state --partition ${partition}\`.`

const requirePosition = (
  { topic }: ChangelogPartition,
  partition: number,
  { position, partitions }: SeenKeys,
): void => {
  if (Object.keys(position.next).length === 0) {
    throw new StateError(
      `${topic}/${partition} has an identity and no position. ${repairSentence(partition)}`,
    )
  }
  const fault = layoutFault(position, partitions)
  if (fault !== undefined) throw new StateError(`${topic}/${partition} ${fault}`)
}

/** undefined: the partition is new. */
const identityOf = async (partition: number, state: ChangelogPartition): Promise<string | undefined> => {
  const first = await state.first(state.logStartOffset)
  if (first === undefined) return undefined
  const [record] = new StateReading().decode([first])
  if (record?.kind === 'identity') return record.identity
  throw new StateError(
    `${state.topic}/${partition} does not begin with its identity: its records were deleted. ` +
      repairSentence(partition),
  )
}

const openStore = async (
  options: RestoreOptions,
  context: RestoreContext,
  state: ChangelogPartition,
  identity: string,
): Promise<KeyStore> => {
  const folder = join(options.stateDir, `partition-${context.partition}`)
  mkdirSync(folder, { recursive: true })
  const last = await lastPosition(state)
  const open = () => openKeyStoreOf(options, context, state, { folder, identity })
  const store = await open()
  const held = store.position === '' ? undefined : parsePosition(store.position)
  const isEmpty = held === undefined && store.stateOffset === state.logStartOffset
  const fault = isEmpty ? undefined : checkpointFault(held, store.stateOffset, last)
  if (fault === undefined) return store
  await store.close()
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  reportDiscarded(options, context, fault)
  return open()
}

const reportDiscarded = ({ logger }: RestoreOptions, { partition }: RestoreContext, reason: string): void => {
  logger.warn({ partition, reason }, 'the checkpoint is discarded; restoring from the state topic')
}

const openKeyStoreOf = async (
  options: RestoreOptions,
  context: RestoreContext,
  { topic, topicId, logStartOffset, barrierOffset }: ChangelogPartition,
  { folder, identity }: { readonly folder: string; readonly identity: string },
): Promise<KeyStore> => {
  const { partition, clusterId } = context
  const opening = openKeyStore({
    ...options.store,
    folder,
    whose: { clusterId, topic: topicId === '' ? topic : `${topic} ${topicId}`, partition, identity },
    logStart: logStartOffset,
    barrier: barrierOffset,
  })
  const { store, discarded } = await opening.catch((error: unknown) => {
    throw error instanceof StoreNewerError ? new ProcessorError(error.message, { cause: error }) : error
  })
  if (discarded !== undefined) reportDiscarded(options, context, discarded)
  return store
}

/**
 * Returns the number of records. Throws a `StateError` that names a damaged record, because a lost key would let the
 * repeats of its event pass.
 */
const readState = async (
  { logger, metrics }: RestoreOptions,
  { partition }: RestoreContext,
  state: ChangelogPartition,
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
      `${topic}/${partition}, offset ${damaged.offset}: ${damaged.message}. ${repairSentence(partition)}`,
    )
  }
  return records
}
