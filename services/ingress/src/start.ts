import { TOPIC_SPECS, topicNames } from '@weir/contracts'
import { checkTopics, openLanes, waitForBrokers, type Lanes } from '@weir/kafka'
import { Closers, ConfigError, describeSettings, type Service, type ServiceDeps } from '@weir/service-kit'
import { SETTINGS, type IngressConfig } from './config.ts'
import { buildServer } from './server.ts'

const BATCH_RECORDS_MAX = 1_000
const BATCH_BYTES_MAX = 700_000

/** Listens at once; until the brokers answer, requests get 503 and `/readyz` says why. */
export const start = async (config: IngressConfig, { logger, metrics }: ServiceDeps): Promise<Service> => {
  logger.info(describeSettings(SETTINGS, config), 'starting')
  const closers = new Closers()
  const closing = new AbortController()
  let lanes: Lanes | undefined
  const readiness = (): readonly string[] => {
    if (lanes === undefined) return ['waiting for Kafka']
    return lanes.healthy ? [] : ['the brokers do not acknowledge']
  }
  const app = buildServer({ config, logger, metrics, lanes: () => lanes, readiness })
  const open = async (): Promise<void> => {
    await waitForBrokers(config, logger, closing.signal)
    const specs = TOPIC_SPECS.filter(({ role }) => role === 'received')
    const faults = await checkTopics({ settings: config, profile: config.profile, specs })
    if (faults.length > 0) throw new ConfigError(faults.join('\n'))
    lanes = await openLanes({
      settings: config,
      logger,
      topic: topicNames(config.topicPrefix).received,
      lingerMs: config.lingerMs,
      batchRecordsMax: BATCH_RECORDS_MAX,
      batchBytesMax: BATCH_BYTES_MAX,
      queueBytesMax: config.queueBytesMax,
      deadlineMs: config.requestBudgetMs,
    })
  }
  await app.listen({ host: config.host, port: config.port })
  closers.add(() => Promise.resolve(lanes?.close()))
  const failure = Promise.withResolvers<never>()
  failure.promise.catch(() => undefined)
  const opened = open().catch((error: unknown) => {
    if (!closing.signal.aborted) failure.reject(error)
  })
  closers.add(async () => {
    closing.abort()
    await opened
    await app.close()
  })
  const queued = metrics.gauge('weir_ingress_queued_bytes', 'Bytes that wait for the brokers.')
  const sample = setInterval(() => queued.set(lanes?.queued.bytes ?? 0), 1_000)
  closers.add(() => {
    clearInterval(sample)
    return Promise.resolve()
  })
  logger.info({ address: app.server.address() }, 'listening')
  return { stop: () => closers.close(), failed: failure.promise, readiness }
}
