import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { encodeDeadLetter, type TopicNames } from '@weir/contracts'
import {
  StateError,
  type InputBatch,
  type InputRecord,
  type OutputRecord,
  type PartitionOwner,
  type RestoreContext,
  type StagedBatch,
  type StatePartition,
} from '@weir/kafka'
import { assertNever } from '@weir/pipeline'
import {
  Checkpoint,
  decodeStateRecord,
  encodeChunk,
  encodeIdentity,
  encodePosition,
  encodeTombstone,
  SeenKeys,
  type CheckpointIdentity,
  type SeenKeysOptions,
  type StagedKeys,
} from '@weir/seen-keys'
import { failpoint, type Logger } from '@weir/service-kit'
import type { DedupMetrics } from './dedup-metrics.ts'
import { dedupPipeline } from './pipeline.ts'
import { Tally, type Decision } from './tally.ts'

export interface DedupOwnerOptions {
  readonly topics: TopicNames
  readonly seenKeys: SeenKeysOptions
  readonly stateDir: string
  readonly statsWindowMs: number
  readonly auditDuplicates: boolean
  readonly logger: Logger
  readonly metrics: DedupMetrics
}

interface Restored {
  readonly seen: SeenKeys
  readonly checkpoint: Checkpoint
  readonly identity: CheckpointIdentity
}

/** Decides about one partition's webhooks: outputs, keys, position, counts and offsets commit in one transaction. */
export class DedupOwner implements PartitionOwner {
  readonly #options: DedupOwnerOptions
  readonly #partition: number
  #restored: Restored | undefined
  /** A first transaction has to write it. */
  #isNew = false
  #stateOffset = 0n

  constructor(options: DedupOwnerOptions, partition: number) {
    this.#options = options
    this.#partition = partition
  }

  async restore(context: RestoreContext): Promise<ReadonlyMap<string, bigint | undefined>> {
    const { topics, logger, metrics } = this.#options
    const startedAt = performance.now()
    const state = context.state!
    const identity = await this.#identity(context, state)
    const { checkpoint, from } = await this.#openCheckpoint(identity, state)
    const seen = new SeenKeys(this.#options.seenKeys, checkpoint)
    this.#restored = { seen, checkpoint, identity }
    this.#stateOffset = state.barrierOffset
    let records = 0
    await state.read(from, (batch, nextOffset) => {
      failpoint('dedup.restoring')
      seen.restored(batch.map(decodeStateRecord), identity, nextOffset)
      records += batch.length
      metrics.restoredRecords.inc(batch.length)
    })
    seen.finishRestore()
    if (!this.#isNew && Object.keys(seen.position.next).length === 0) {
      throw new StateError(
        `${state.topic}/${this.#partition} has an identity and no position: its records were deleted. ` +
          'Restore the topic, or delete all of its records to begin anew with an empty window.',
      )
    }
    const durationMs = Math.round(performance.now() - startedAt)
    logger.info({ partition: this.#partition, records, keys: seen.keysHeld, durationMs }, 'state restored')
    this.#report()
    const { next } = seen.position
    return new Map([topics.received, topics.dedupReplay].map((topic) => [topic, next[topic]]))
  }

  async stage(batch: InputBatch): Promise<StagedBatch> {
    const { seen, identity } = this.#restored!
    const { topics, statsWindowMs, metrics } = this.#options
    const staged = seen.stage()
    const pipeline = dedupPipeline(staged)
    const tally = new Tally(statsWindowMs)
    const outputs: OutputRecord[] = []
    const decisions: Decision[] = []
    const now = Date.now()
    for (const record of batch.records) {
      staged.advance(record.timestamp, now)
      const outcome = pipeline.run(record)
      const decision = this.#act(record, outcome, outputs, now)
      decisions.push(decision)
      tally.add(record, staged.effectiveTime, decision)
    }
    staged.cover(batch.topic, batch.records[0]!.offset, batch.nextOffset)
    const state = this.#stateRecords(staged, identity)
    const { rotations } = staged.position()
    const keysHeld = seen.keysHeld + staged.addedCount
    for (const record of tally.records({ partition: this.#partition, rotations, keysHeld })) {
      outputs.push({ topic: topics.stats, partition: this.#partition, headers: {}, ...record })
    }
    outputs.push(...state)
    return {
      outputs,
      committed: (written) => {
        this.#isNew = false
        this.#stateOffset = written.get(`${topics.seen}/${this.#partition}`)!
        seen.apply(staged, identity, this.#stateOffset)
        for (const decision of decisions) metrics.events.inc({ decision })
        this.#report()
      },
    }
  }

  async close(): Promise<void> {
    await this.#restored?.checkpoint.close()
  }

  #act(
    record: InputRecord,
    outcome: ReturnType<ReturnType<typeof dedupPipeline>['run']>,
    outputs: OutputRecord[],
    now: number,
  ): Decision {
    const { topics, auditDuplicates } = this.#options
    const partition = this.#partition
    switch (outcome.kind) {
      case 'ok':
        outputs.push({
          topic: topics.unique,
          partition,
          key: record.key!,
          value: record.value,
          headers: record.headers,
        })
        return 'unique'
      case 'drop':
        if (auditDuplicates) {
          const { key, value, headers } = record
          outputs.push({ topic: topics.duplicates, partition, key: key!, value, headers })
        }
        return 'duplicates'
      case 'deadLetter': {
        const { reason, step, error } = outcome
        const letter = encodeDeadLetter({ origin: record, reason, step, error, failedAt: now })
        outputs.push({ topic: topics.dedupDlq, partition, ...letter })
        return reason === 'key_conflict' ? 'conflicts' : 'deadLettered'
      }
      default:
        return assertNever(outcome)
    }
  }

  #stateRecords(staged: StagedKeys, { identity }: CheckpointIdentity): OutputRecord[] {
    const records = [
      ...(this.#isNew ? [encodeIdentity(identity)] : []),
      ...staged.chunks().map(({ chunkKey, keys }) => encodeChunk(chunkKey, keys)),
      ...staged.expired().chunkKeys.map(encodeTombstone),
      encodePosition(staged.position()),
    ]
    const { seen: topic } = this.#options.topics
    return records.map((record) => ({ topic, partition: this.#partition, headers: {}, ...record }))
  }

  async #identity(context: RestoreContext, state: StatePartition): Promise<CheckpointIdentity> {
    const { topics } = this.#options
    const whose = { clusterId: context.clusterId, topic: state.topic, partition: this.#partition }
    const first = await state.first(state.logStartOffset)
    if (first === undefined) {
      if (context.committed(topics.received) !== undefined) {
        throw new StateError(
          `${state.topic}/${this.#partition} is empty and the group has committed offsets: the state was deleted. ` +
            'Restore the topic, or delete the group to begin anew.',
        )
      }
      this.#isNew = true
      return { ...whose, identity: randomUUID() }
    }
    const record = decodeStateRecord(first)
    if (record.kind !== 'identity') {
      throw new StateError(
        `${state.topic}/${this.#partition} does not begin with its identity: its records were deleted`,
      )
    }
    return { ...whose, identity: record.identity }
  }

  async #openCheckpoint(
    identity: CheckpointIdentity,
    state: StatePartition,
  ): Promise<{ checkpoint: Checkpoint; from: bigint }> {
    const folder = join(this.#options.stateDir, `partition-${this.#partition}`)
    const checkpoint = Checkpoint.open(folder)
    const stateOffset = checkpoint.validate(identity, state.logStartOffset, state.barrierOffset)
    if (typeof stateOffset === 'bigint') return { checkpoint, from: stateOffset }
    const fields = { partition: this.#partition, reason: stateOffset.invalid }
    this.#options.logger.info(fields, 'no usable checkpoint, restoring from the state topic')
    await checkpoint.close()
    rmSync(folder, { recursive: true, force: true })
    return { checkpoint: Checkpoint.open(folder), from: state.logStartOffset }
  }

  #report(): void {
    const { metrics } = this.#options
    const { seen } = this.#restored!
    const labels = { partition: String(this.#partition) }
    metrics.keysHeld.set(labels, seen.keysHeld)
    metrics.filterBytes.set(labels, seen.filterByteCount)
    metrics.lookups.set(labels, seen.counts.lookups)
    metrics.falsePositives.set(labels, seen.counts.falsePositives)
  }
}
