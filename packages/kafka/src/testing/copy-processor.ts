import { openLanes, type Lanes } from '../produce/lanes.ts'
import type { InputBatch, Task, ProcessedBatch } from '../processor/task.ts'
import type { OutputRecord } from '../protocol/record.ts'
import type { KafkaSettings } from '../client/settings.ts'
import { silentLogger } from '../client/silent-logger.ts'
import type { TaskState, ProcessorObserver, ProcessorOptions } from '../processor/processor-options.ts'
import { startProcessor, type Processor } from '../processor/processor.ts'
import { readAll, startsTopicOf } from './topics.ts'

/** Events of a processor in order, and its state per partition. */
export interface CopyLog {
  readonly states: { readonly partition: number; readonly state: TaskState; readonly error?: Error }[]
  /** Number of committed batches with records. */
  readonly commits: { readonly partition: number; readonly records: number; readonly outputs: number }[]
}

export interface CopyProcessor extends Processor {
  readonly log: CopyLog
  /** Number of times that each state was entered, in all partitions or in one. */
  entered(state: TaskState, partition?: number): number
}

export interface CopyOptions extends Partial<Omit<ProcessorOptions, 'settings' | 'inputs' | 'outputs'>> {
  readonly settings: KafkaSettings
  readonly inputs: readonly string[]
  readonly output: string
  /** Replaces methods of the copying task. */
  readonly task?: (partition: number, copying: Task) => Partial<Task>
}

export const copies = (batch: InputBatch, topic: string): OutputRecord[] =>
  batch.records.map(({ key, value, headers, partition }) => ({
    topic,
    partition,
    value,
    headers,
    key: key ?? Buffer.alloc(0),
  }))

/** A processor that writes each input record to the same partition of one topic and keeps no state. */
export const startCopyProcessor = async (options: CopyOptions): Promise<CopyProcessor> => {
  const { output, task: override, ...rest } = options
  const log: CopyLog = { states: [], commits: [] }
  const observer: ProcessorObserver = {
    partition: (event) => {
      log.states.push(event)
      rest.observer?.partition?.(event)
    },
    parked: (event) => {
      rest.observer?.parked?.(event)
    },
    committed: ({ partition, records, outputs }) => {
      if (records > 0) log.commits.push({ partition, records, outputs })
    },
  }
  const processor = await startProcessor({
    startsTopic: startsTopicOf(rest.settings),
    logger: silentLogger,
    service: 'copy',
    batch: { recordsMax: 50, bytesMax: 1_000_000, lingerMs: 5 },
    ...rest,
    outputs: [output],
    observer,
    openTask: (partition) => {
      const copying: Task = {
        restore: () => Promise.resolve(new Map()),
        process: (batch): Promise<ProcessedBatch> => Promise.resolve({ outputs: copies(batch, output) }),
        close: () => Promise.resolve(),
      }
      return Promise.resolve({ ...copying, ...override?.(partition, copying) })
    },
  })
  return {
    failed: processor.failed,
    readiness: () => processor.readiness(),
    resume: (partition) => processor.resume(partition),
    get partitions() {
      return processor.partitions
    },
    get parked() {
      return processor.parked
    },
    stop: () => processor.stop(),
    log,
    entered: (state, partition) =>
      log.states.filter((one) => one.state === state && (partition ?? one.partition) === one.partition)
        .length,
  }
}

/** Writes consecutive numbers to the partitions of a topic in turn. */
export class NumberWriter {
  readonly #settings: KafkaSettings
  readonly #topic: string
  #lanes: Lanes | undefined
  #next = 0

  constructor(settings: KafkaSettings, topic: string) {
    this.#settings = settings
    this.#topic = topic
  }

  /** Number of records written. */
  get count(): number {
    return this.#next
  }

  /** `bytes`: minimum length of each value. */
  async write(count: number, bytes = 0): Promise<void> {
    this.#lanes ??= await openLanes({
      settings: this.#settings,
      logger: silentLogger,
      topic: this.#topic,
      lingerMs: 1,
      batchRecordsMax: 1_000,
      batchBytesMax: 700_000,
      queueBytesMax: 64_000_000,
      deadlineMs: 20_000,
    })
    const { topicPartitions } = this.#settings
    const numbers = Array.from({ length: count }, () => this.#next++)
    await Promise.all(
      numbers.map((number) =>
        this.#lanes!.send(number % topicPartitions, {
          key: Buffer.from('key'),
          value: Buffer.from(String(number).padEnd(bytes)),
          headers: {},
        }),
      ),
    )
  }

  async close(): Promise<void> {
    await this.#lanes?.close()
  }
}

/** The numbers on a topic, ordered by partition. */
export const numbersOn = async (settings: KafkaSettings, topic: string): Promise<number[]> =>
  (await readAll(settings, topic)).map(({ value }) => Number(value!.toString()))

/** The numbers 0 to `count` - 1, distributed as `NumberWriter` does, ordered by partition. */
export const numbersUpTo = (count: number, partitions: number): number[] =>
  Array.from({ length: partitions }, (_, partition) =>
    Array.from({ length: count }, (__, i) => i).filter((number) => number % partitions === partition),
  ).flat()
