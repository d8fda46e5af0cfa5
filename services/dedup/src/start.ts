import { mkdirSync } from 'node:fs'
import { TOPIC_SPECS, topicNames, type TopicRole } from '@weir/contracts'
import { checkTopics, startStage, waitForBrokers } from '@weir/kafka'
import {
  Closers,
  ConfigError,
  describeSettings,
  startProbeServer,
  type Service,
  type ServiceDeps,
} from '@weir/service-kit'
import { filterErrorRateEach, SETTINGS, type DedupConfig } from './config.ts'
import { dedupMetrics } from './dedup-metrics.ts'
import { DedupOwner } from './dedup-owner.ts'

const ROLES: readonly TopicRole[] = [
  'received',
  'unique',
  'seen',
  'stats',
  'duplicates',
  'dedupDlq',
  'dedupReplay',
]

export const start = async (config: DedupConfig, { logger, metrics }: ServiceDeps): Promise<Service> => {
  logger.info(describeSettings(SETTINGS, config), 'starting')
  const closers = new Closers()
  let readiness: () => readonly string[] = () => ['waiting for Kafka']
  const probes = await startProbeServer({ port: config.probePort, metrics, readiness: () => readiness() })
  closers.add(() => probes.close())
  try {
    await waitForBrokers(config, logger)
    const specs = TOPIC_SPECS.filter(({ role }) => ROLES.includes(role))
    const faults = await checkTopics({ settings: config, profile: config.profile, specs })
    if (faults.length > 0) throw new ConfigError(faults.join('\n'))
    mkdirSync(config.stateDir, { recursive: true })
    const topics = topicNames(config.topicPrefix)
    const gauges = dedupMetrics(metrics)
    const owner = {
      topics,
      seenKeys: {
        windowMs: config.windowSecs * 1_000,
        filters: { capacity: config.filterCapacity, errorRate: filterErrorRateEach(config) },
      },
      stateDir: config.stateDir,
      statsWindowMs: config.statsWindowSecs * 1_000,
      auditDuplicates: config.auditDuplicates,
      logger,
      metrics: gauges,
    }
    const stage = await startStage({
      settings: config,
      logger,
      service: 'dedup',
      inputs: [topics.received, topics.dedupReplay],
      stateTopic: topics.seen,
      batch: {
        recordsMax: config.batchRecordsMax,
        bytesMax: config.batchBytesMax,
        lingerMs: config.lingerMs,
      },
      openOwner: (partition) => Promise.resolve(new DedupOwner(owner, partition)),
      observer: {
        committed: ({ durationMs }) => gauges.transactionSeconds.observe(durationMs / 1_000),
        lag: ({ topic, partition, records }) =>
          gauges.lag.set({ topic, partition: String(partition) }, records),
      },
    })
    closers.add(() => stage.stop())
    readiness = () => stage.readiness()
    return { stop: () => closers.close(), failed: stage.failed, readiness: () => readiness() }
  } catch (error) {
    await closers.close()
    throw error
  }
}
