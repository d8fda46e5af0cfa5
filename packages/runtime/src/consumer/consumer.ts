import { TOPIC_SPECS, topicNames, type TopicNames, type TopicRole } from '@weir/contracts'
import {
  startProcessor,
  type KafkaSettings,
  type Task,
  type ProcessorObserver,
  type ProcessorOptions,
} from '@weir/kafka'
import { startProbeServer } from '../http/health.ts'
import { Closers, logStart, type Service, type ServiceDeps } from '../service/service.ts'
import type { Settings } from '../settings/setting.ts'
import { requireTopics } from '../topics/require-topics.ts'
import type { SharedValues } from '../topics/shared-settings.ts'
import { failpointsOf } from './failpoints.ts'
import { PartitionList } from './partition-list.ts'

/** Settings that every consuming service has. */
export interface ConsumerConfig extends KafkaSettings {
  readonly profile: 'production' | 'dev'
  readonly probePort: number
  readonly probeHost: string
  readonly metricsToken?: string | undefined
  readonly batchRecordsMax: number
  readonly batchBytesMax: number
  readonly lingerMs: number
}

export interface ConsumerOptions<Config extends ConsumerConfig> {
  /** Name of the consumer group, and prefix of transactional ids and metrics. */
  readonly service: string
  readonly config: Config
  /** The settings that `config` was read from, so that it can be logged without secrets. */
  readonly settings: Settings
  readonly inputs: readonly TopicRole[]
  readonly state?: TopicRole
  /** Topics that the tasks write. A task writes the partition with its own number, or the only partition. */
  readonly outputs: readonly TopicRole[]
  /** See `ProcessorOptions`. */
  readonly repair?: (partition: number) => string
  /** Topics that are read beside the inputs. */
  readonly reads?: readonly TopicRole[]
  /** Values that must be the same for all services of the deployment. */
  readonly shared?: SharedValues
  /** Opens what the tasks share, once the topics have been checked. */
  open(topics: TopicNames): {
    readonly openTask: (partition: number) => Promise<Task>
    readonly close?: () => Promise<unknown>
    /** The service's own reasons for not being ready. */
    readonly readiness?: () => readonly string[]
    /** What is parked while the rest works. Only `/readyz` shows it. */
    readonly parked?: () => readonly string[]
  }
}

export interface Consumer extends Service {
  /** Partitions of this process. A further processor of the same process is added here. */
  readonly partitions: PartitionList
}

/**
 * The frame of every consuming service: it serves probes from the first moment, checks the topics, then starts an
 * exactly-once processor. Rejects with a `ConfigError` when a topic or a shared setting is wrong.
 */
export const startConsumer = async <Config extends ConsumerConfig>(
  options: ConsumerOptions<Config>,
  deps: ServiceDeps,
): Promise<Consumer> => {
  const { service, config, settings, inputs, state, outputs, repair } = options
  const { logger, metrics } = deps
  logStart(logger, settings, config)
  const closers = new Closers()
  let readiness: () => readonly string[] = () => ['waiting for Kafka']
  const partitions = new PartitionList()
  let parked: () => readonly string[] = () => partitions.parked()
  const probes = await startProbeServer({
    port: config.probePort,
    host: config.probeHost,
    metrics,
    metricsToken: config.metricsToken,
    readiness: () => readiness(),
    parked: () => parked(),
    localRoutes: partitions.routes,
  })
  closers.add(() => probes.close())
  try {
    await requireTopics({
      service,
      config,
      logger,
      roles: [...inputs, ...outputs, ...(options.reads ?? []), ...(state === undefined ? [] : [state])],
      shared: options.shared ?? {},
      isTransactional: true,
    })
    const topics = topicNames(config.topicPrefix)
    const { openTask, close, readiness: ownReadiness, parked: ownParked } = options.open(topics)
    if (close) closers.add(close)
    parked = () => [...(ownParked?.() ?? []), ...partitions.parked()]
    const stageInputs = inputs.map((role) => topics[role])
    const processorOptions: ProcessorOptions = {
      settings: config,
      logger,
      service,
      openTask,
      inputs: stageInputs,
      outputs: outputs.filter(isCoPartitioned).map((role) => topics[role]),
      sharedOutputs: outputs.filter((role) => !isCoPartitioned(role)).map((role) => topics[role]),
      ...(state !== undefined && { changelogTopic: topics[state] }),
      startsTopic: topics.starts,
      ...(repair && { repair }),
      batch: {
        recordsMax: config.batchRecordsMax,
        bytesMax: config.batchBytesMax,
        lingerMs: config.lingerMs,
      },
      observer: processorObserver(service, stageInputs, deps),
      ...failpointsOf(service),
    }
    const processor = await startProcessor(processorOptions)
    closers.add(() => processor.stop())
    partitions.add(service, processor)
    readiness = () => [...(ownReadiness?.() ?? []), ...processor.readiness()]
    return {
      stop: () => closers.close(),
      failed: processor.failed,
      readiness: () => readiness(),
      parked: () => parked(),
      partitions,
    }
  } catch (error) {
    await closers.close()
    throw error
  }
}

const isCoPartitioned = (role: TopicRole): boolean =>
  TOPIC_SPECS.some((spec) => spec.role === role && spec.coPartitioned)

/** Metrics and log lines of a processor. */
export const processorObserver = (
  service: string,
  inputs: readonly string[],
  { logger, metrics }: ServiceDeps,
): ProcessorObserver => {
  const name = (what: string) => `weir_${service.replaceAll('-', '_')}_${what}`
  const lag = metrics.gauge(
    name('lag_records'),
    'Records between the last one processed and the end of the input.',
    ['topic', 'partition'],
  )
  const seconds = metrics.histogram(
    name('transaction_seconds'),
    'Time from the start of a transaction to its commit.',
  )
  const parkedOnes = metrics.gauge(
    name('parked_partitions'),
    '1 while a partition is parked; /readyz and the log say why.',
    ['partition'],
  )
  const restarts = metrics.counter(
    name('partition_restarts_total'),
    'Times that a partition backed off and restarted.',
  )
  return {
    committed: ({ durationMs }) => seconds.observe(durationMs / 1_000),
    parked: ({ partition, error }) => {
      const labels = { partition: String(partition) }
      if (error !== undefined) parkedOnes.set(labels, 1)
      else parkedOnes.remove(labels)
    },
    lag: ({ topic, partition, records }) => lag.set({ topic, partition: String(partition) }, records),
    partition: ({ partition, state }) => {
      if (state === 'backing_off') restarts.inc()
      // The new owner of the partition reports its lag from here on.
      if (state === 'released')
        for (const topic of inputs) lag.remove({ topic, partition: String(partition) })
      logger.debug({ partition, state }, 'partition')
    },
  }
}
