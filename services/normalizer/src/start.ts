import { parseDeadLetterKeys, PROCESSORS, topicNames } from '@weir/contracts'
import { openEventWriter, RegistryError, SchemaRefusedError, type EventWriter } from '@weir/event-codec'
import { startProcessor } from '@weir/kafka'
import {
  Closers,
  ConfigError,
  massFailureAlarm,
  MassFailureGuard,
  once,
  type Service,
  type ServiceDeps,
  sharedLetterKeys,
  processorObserver,
  startConsumer,
  taskErrorOf,
} from '@weir/runtime'
import { Approvals } from './schemas/approvals.ts'
import { SETTINGS, type NormalizerConfig } from './config.ts'
import { dataActionSources, DatadogGauges } from './datadog.ts'
import { EventLines } from './event-log.ts'
import { InvalidPartError } from './mappings/compile-part.ts'
import { InvalidSchemaError } from './mappings/compile-rules.ts'
import { readMappings } from './mappings/sources-file.ts'
import { normalizerMetrics, schemaMetrics } from './normalizer-metrics.ts'
import { NormalizerTask } from './normalizer-task.ts'
import { normalizerPipeline, type NormalizerPipeline } from './pipeline.ts'
import { SchemaVersionsTask } from './schemas/schema-versions-task.ts'
import { ShapeCache } from './schemas/shape.ts'
import { SentShapes } from './schemas/shape-tally.ts'
import type { IsApproved } from './steps/check-rules.ts'

/** Starts two processors, one for events and one for shape counts, so that no event waits for a version number. */
export const start = async (config: NormalizerConfig, deps: ServiceDeps): Promise<Service> => {
  const closers = new Closers()
  const topics = topicNames(config.topicPrefix)
  const approvals = new Approvals(config, topics, deps.logger)
  const set = readMappings(config.mappingPaths, config.sourcesFile)
  const holds = Object.values(set.rules).some(({ unknownFields }) => unknownFields === 'reject')
  const pipeline = compile(set, (source, fingerprint) => approvals.has(source, fingerprint))
  const openWriter = sharedWriter(config, topics.normalized)
  const keys = parseDeadLetterKeys(config.deadLetterKeys)
  const shapes = new ShapeCache()
  closers.add(() => approvals.close())
  try {
    const consumer = await startConsumer(
      {
        service: 'normalizer',
        config,
        settings: SETTINGS,
        ...PROCESSORS.normalizer,
        shared: sharedLetterKeys(config.deadLetterKeys),
        open: () => {
          const metrics = normalizerMetrics(deps.metrics)
          const alarm = massFailureAlarm('normalizer', deps)
          return {
            parked: alarm.parked,
            openTask: async (partition) => {
              if (holds) await approvals.ready()
              return new NormalizerTask({
                topics,
                partition,
                pipeline,
                openWriter,
                keys,
                shapes,
                metrics,
                refreshApprovals: () => (holds ? approvals.refresh() : Promise.resolve()),
                guard: new MassFailureGuard(config, alarm, partition),
                sent: new SentShapes(),
                openLines: () => new EventLines(deps.logger, config.eventLog),
              })
            },
          }
        },
      },
      deps,
    )
    closers.add(() => consumer.stop())
    const versions = await startSchemaVersions(config, deps, closers)
    consumer.partitions.add(SCHEMAS, versions)
    const failed = Promise.race([consumer.failed, versions.failed])
    failed.catch(() => undefined)
    return { stop: () => closers.close(), failed, readiness: consumer.readiness, parked: consumer.parked }
  } catch (error) {
    await closers.close()
    throw error
  }
}

const compile = (
  set: Parameters<typeof normalizerPipeline>[0],
  isApproved: IsApproved,
): NormalizerPipeline => {
  try {
    return normalizerPipeline(set, isApproved)
  } catch (error) {
    if (error instanceof InvalidPartError || error instanceof InvalidSchemaError) {
      throw new ConfigError(`mappings: ${error.message}`, { cause: error })
    }
    throw error
  }
}

/** Registers the schema once for all partitions. The next call tries again after a failure. */
const sharedWriter = (config: NormalizerConfig, topic: string): (() => Promise<EventWriter>) =>
  once(() =>
    openEventWriter(config, topic).catch((error: unknown) => {
      throw taskErrorOf(error, { away: RegistryError, refused: SchemaRefusedError })
    }),
  )

/** Name of the group, the transactional ids and the metrics. */
const SCHEMAS = 'normalizer-schemas'
const SCHEMAS_LINGER_MS = 500
const SCHEMAS_BATCH = { recordsMax: 2_000, bytesMax: 8_388_608, lingerMs: SCHEMAS_LINGER_MS }

const startSchemaVersions = async (config: NormalizerConfig, deps: ServiceDeps, closers: Closers) => {
  const topics = topicNames(config.topicPrefix)
  const { datadogApiKey: apiKey, datadogUrl: url, datadogHost: host, datadogIntervalSecs } = config
  const { logger } = deps
  const datadog =
    apiKey === undefined
      ? undefined
      : new DatadogGauges({
          apiKey,
          url,
          host,
          logger,
          intervalMs: datadogIntervalSecs * 1_000,
          sources: dataActionSources(config.sourcesFile),
        })
  if (datadog) closers.add(() => datadog.close())
  const metrics = schemaMetrics(deps.metrics)
  const inputs = [topics.shapes]
  const processor = await startProcessor({
    // Its topics have one partition each.
    settings: { ...config, topicPartitions: 1 },
    logger,
    service: SCHEMAS,
    batch: SCHEMAS_BATCH,
    observer: processorObserver(SCHEMAS, inputs, deps),
    inputs,
    outputs: [],
    changelogTopic: topics.schemasObserved,
    startsTopic: topics.starts,
    openTask: () =>
      Promise.resolve(
        new SchemaVersionsTask({ topics, metrics, onAdoption: (adoption) => datadog?.set(adoption) }),
      ),
  })
  closers.add(() => processor.stop())
  return processor
}
