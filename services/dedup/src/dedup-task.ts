import { encodeDeadLetter, type DeadLetterKeys } from '@weir/contracts'
import {
  toOutputRecord,
  RestartError,
  type InputBatch,
  type InputRecord,
  type OutputRecord,
  type Task,
  type RestoreContext,
  type ProcessedBatch,
} from '@weir/kafka'
import { assertNever } from '@weir/runtime'
import { encodeIdentity, StoreDamagedError, stateRecordsOf, type StagedChange } from '@weir/seen-keys'
import { dedupPipeline } from './pipeline.ts'
import { restoreState, type RestoredState, type RestoreOptions } from './restore-state.ts'
import { SequenceWatch } from './sequence-watch.ts'
import { Tally, type Decision } from './tally.ts'

export interface DedupTaskOptions extends RestoreOptions {
  readonly statsWindowMs: number
  readonly auditDuplicates: boolean
  /** undefined: dead letters are not sealed. */
  readonly deadLetterKeys: DeadLetterKeys | undefined
}

/**
 * Decides about the webhooks of one partition. Outputs, keys, position, counts and offsets commit in one transaction.
 */
export class DedupTask implements Task {
  readonly #options: DedupTaskOptions
  readonly #partition: number
  #restored: RestoredState | undefined
  /** Changes before the commit is known. That is safe, because an aborted transaction discards the whole task. */
  readonly #sequences = new SequenceWatch()
  /** Whether the next transaction must write the identity. */
  #isNew = false

  constructor(options: DedupTaskOptions, partition: number) {
    this.#options = options
    this.#partition = partition
  }

  async restore(context: RestoreContext): Promise<ReadonlyMap<string, bigint | undefined>> {
    const { topics } = this.#options
    this.#restored = await restoreState(this.#options, context)
    this.#isNew = this.#restored.isNew
    this.#report()
    const { next } = this.#restored.seen.position
    return new Map([topics.received, topics.dedupReplay].map((topic) => [topic, next[topic]]))
  }

  async process(batch: InputBatch): Promise<ProcessedBatch> {
    try {
      return this.#decide(batch)
    } catch (error) {
      throw restartOnDamage(error)
    }
  }

  async close(): Promise<void> {
    this.#options.metrics.forget(this.#partition)
    await this.#restored?.store.close()
  }

  #decide(batch: InputBatch): ProcessedBatch {
    const { seen } = this.#restored!
    const { topics, statsWindowMs, metrics } = this.#options
    const partition = this.#partition
    const staged = seen.stage()
    const pipeline = dedupPipeline(staged, partition, seen.partitions)
    const tally = new Tally(statsWindowMs, batch.topic === topics.dedupReplay)
    const outputs: OutputRecord[] = []
    const now = Date.now()
    for (const record of batch.records) {
      staged.advance(record.timestamp, now)
      const outcome = pipeline.run(record)
      if (outcome.kind === 'ok') tally.addFinding(this.#sequences.observe(record))
      else if (outcome.kind === 'drop') tally.addFinding(outcome.reason)
      tally.add(record, staged.effectiveTime, this.#act(record, outcome, outputs, now))
    }
    const change = staged.seal(batch.topic, batch.records[0]?.offset ?? batch.nextOffset, batch.nextOffset)
    const { rotations } = change.position
    const keysHeld = seen.keysHeld + staged.addedCount
    for (const record of tally.records({ partition, rotations, keysHeld })) {
      outputs.push({ topic: topics.stats, partition, headers: {}, ...record })
    }
    const state = this.#stateRecords(change)
    outputs.push(...state)
    return {
      outputs,
      committed: async (written) => {
        this.#isNew = false
        await this.#apply(change, written.get(`${topics.seen}/${partition}`)!)
        for (const [decision, count] of tally.decisions) metrics.events.inc({ decision }, count)
        for (const [finding, count] of tally.findings) metrics.findings.inc({ class: finding }, count)
        this.#report()
      },
    }
  }

  async #apply(change: StagedChange, stateOffset: bigint): Promise<void> {
    try {
      await this.#restored!.seen.apply(change, stateOffset)
    } catch (error) {
      throw restartOnDamage(error)
    }
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
        outputs.push(toOutputRecord(record, topics.unique, partition))
        return 'unique'
      case 'drop':
        if (auditDuplicates) outputs.push(toOutputRecord(record, topics.duplicates, partition))
        return 'duplicates'
      case 'deadLetter': {
        const { reason, step, error, headers } = outcome
        const letter = encodeDeadLetter(
          { origin: record, reason, step, error, failedAt: now, ...(headers && { headers }) },
          this.#options.deadLetterKeys,
        )
        outputs.push({ topic: topics.dedupDlq, partition, ...letter })
        if (reason === 'content_repeated') this.#options.metrics.findings.inc({ class: reason })
        return reason === 'key_conflict' ? 'conflicts' : 'deadLettered'
      }
      default:
        return assertNever(outcome)
    }
  }

  #stateRecords(change: StagedChange): OutputRecord[] {
    const { seen: topic } = this.#options.topics
    const records = [
      ...(this.#isNew ? [encodeIdentity(this.#restored!.identity)] : []),
      ...stateRecordsOf(change),
    ]
    return records.map((record) => ({ topic, partition: this.#partition, headers: {}, ...record }))
  }

  #report(): void {
    const { metrics } = this.#options
    const { seen } = this.#restored!
    const labels = { partition: String(this.#partition) }
    metrics.keysHeld.set(labels, seen.keysHeld)
    metrics.unfilteredKeys.set(labels, seen.unfilteredKeyCount)
    metrics.filterBytes.set(labels, seen.filterByteCount)
    metrics.lookups.set(labels, seen.counts.absent)
    metrics.falsePositives.set(labels, seen.counts.falsePositives)
  }
}

/** The damaged store has already deleted its manifest, so the next restore reads everything from the changelog. */
const restartOnDamage = (error: unknown): unknown =>
  error instanceof StoreDamagedError
    ? new RestartError(`the checkpoint is discarded: ${error.message}`, { cause: error })
    : error
