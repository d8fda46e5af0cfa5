import type { AddressInfo } from 'node:net'
import { topicNames } from '@weir/contracts'
import { openLanes, type Lanes } from '@weir/kafka'
import {
  Closers,
  type Logger,
  logStart,
  type ProbeServer,
  requireTopics,
  type Service,
  type ServiceDeps,
  sharedSecret,
  sharedSources,
  startProbeServer,
} from '@weir/runtime'
import { sourceWarnings, type SourceAccess } from '@weir/sources'
import { announce } from './announce.ts'
import { ArrivingBytes, REQUEST_BYTES } from './receive/arriving-bytes.ts'
import { OWN_SETTINGS, type IngressConfig } from './config.ts'
import { drain, type Stopping } from './drain.ts'
import { IntakeMetrics } from './intake-metrics.ts'
import { loadSources } from './sources/load-sources.ts'
import { Receiver } from './receive/receiver.ts'
import { buildServer, type Probes } from './receive/server.ts'
import { Shadow } from './sources/shadow.ts'
import { Strangers } from './sources/strangers.ts'
import { SourceReloader } from './sources/source-reloader.ts'
import { SourceTable } from './sources/source-table.ts'

const BATCH_RECORDS_MAX = 1_000
const BATCH_BYTES_MAX = 700_000

export interface IngressService extends Service {
  /** Loads sources and their secrets again. */
  reload(): void
}

/**
 * Listens at once. Until the brokers respond, requests get 503 and `/readyz` says why. `shown` turns its own probes
 * into those that its port serves.
 */
export const start = async (
  config: IngressConfig,
  { logger, metrics }: ServiceDeps,
  shown: (own: Probes) => Probes = (own) => own,
): Promise<IngressService> => {
  logStart(logger, OWN_SETTINGS, config)
  const closers = new Closers()
  const closing = new AbortController()
  const stopping: Stopping = { isDraining: false, isClosing: false }
  let lanes: Lanes | undefined
  let silence: (() => Promise<void>) | undefined
  const intakeMetrics = new IntakeMetrics(metrics)
  const arriving = new ArrivingBytes(config.arrivingBytesMax)
  const table = new SourceTable(config, intakeMetrics, arriving)
  const loaded = loadSources(config)
  const use = (accesses: readonly SourceAccess[]): void => {
    table.replace(accesses)
    for (const { source } of accesses) for (const warning of sourceWarnings(source)) logger.warn(warning)
    warnOfSmallShares(arriving.guarantee, config, logger)
  }
  for (const risk of loaded.risks) logger.warn(risk)
  use(loaded.accesses)
  logger.info({ sources: loaded.accesses.map(describeAccess) }, 'sources')
  const reloader = new SourceReloader({ config, logger, metrics, onLoaded: use }, loaded)
  const readiness = (): readonly string[] => {
    if (stopping.isDraining) return ['stopping']
    const waiting = table.unavailable.map((name) => `waiting for the keys of ${name}`)
    if (lanes === undefined) return ['waiting for Kafka', ...waiting]
    if (lanes.fault !== undefined) return [lanes.fault, ...waiting]
    return lanes.healthy ? waiting : ['the brokers do not acknowledge', ...waiting]
  }
  const arrivingBytes = metrics.gauge(
    'weir_ingress_arriving_bytes',
    'Bytes of incomplete bodies, plus 8 KiB for each of them.',
  )
  const queuedBytes = metrics.gauge(
    'weir_ingress_queued_bytes',
    'Bytes that wait for an acknowledgement of the brokers.',
  )
  const flushMetrics = (): void => {
    intakeMetrics.flush()
    arrivingBytes.set(arriving.held)
    queuedBytes.set(lanes?.queued.bytes ?? 0)
  }
  const receiver = new Receiver({
    config,
    logger,
    table,
    shadow: new Shadow(logger, metrics),
    strangers: new Strangers(logger, intakeMetrics.of('unknown'), table),
    lanes: () => lanes,
  })
  const probes = shown({
    readiness: () => Promise.resolve(readiness()),
    metrics: async () => {
      flushMetrics()
      return { contentType: metrics.registry.contentType, text: await metrics.registry.metrics() }
    },
  })
  const hasOwnPort =
    config.probePort !== undefined && (config.probePort === 0 || config.probePort !== config.port)
  const app = buildServer({
    config,
    receiver,
    isClosing: () => stopping.isClosing,
    probes: hasOwnPort ? undefined : probes,
  })
  const open = async (): Promise<void> => {
    await requireTopics({
      service: 'ingress',
      config,
      logger,
      signal: closing.signal,
      roles: ['received'],
      shared: {
        ...sharedSecret('BODY_HASH_KEY', config.bodyHashKey),
        ...sharedSources(loaded.accesses.map(({ source }) => source)),
      },
      isTransactional: false,
    })
    silence = await announce(config, logger)
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
  if (hasOwnPort) {
    const own = await startProbes(probes, config, metrics.registry.contentType)
    // Closed last, because `/readyz` reports not ready while ingress drains.
    closers.add(() => own.close())
    logger.info({ port: own.port }, 'probes')
  }
  await app.listen({ host: config.host, port: config.port })
  closers.add(async () => {
    await lanes?.close()
    await silence?.()
  })
  const failure = Promise.withResolvers<never>()
  failure.promise.catch(() => undefined)
  const opened = open().catch((error: unknown) => {
    if (!closing.signal.aborted) failure.reject(error)
  })
  closers.add(async () => {
    closing.abort()
    await opened
    await drain(app.server, config, stopping)
    await app.close()
  })
  closers.add(() => {
    reloader.close()
    return Promise.resolve()
  })
  logger.info({ address: app.server.address() as AddressInfo }, 'listening')
  return { stop: () => closers.close(), failed: failure.promise, readiness, reload: () => reloader.reload() }
}

const startProbes = (
  probes: Probes,
  { probePort, probeHost, metricsToken }: IngressConfig,
  contentType: string,
): Promise<ProbeServer> =>
  startProbeServer({
    port: probePort!,
    host: probeHost,
    readiness: () => probes.readiness(),
    metrics: { registry: { contentType, metrics: async () => (await probes.metrics()).text } },
    metricsToken,
  })

/** A source whose share is smaller than its largest body may have to wait until the others leave room. */
const warnOfSmallShares = (shareBytes: number, config: IngressConfig, logger: Logger): void => {
  const { arrivingBytesMax, bodyBytesMax } = config
  if (shareBytes >= bodyBytesMax + REQUEST_BYTES) return
  logger.warn(
    { shareBytes, arrivingBytesMax, bodyBytesMax },
    'half of INGRESS_ARRIVING_BYTES_MAX, divided by the number of sources, is less than the largest body: raise it',
  )
}

/** Only the number of secrets. */
const describeAccess = (access: SourceAccess) => {
  const { source, secrets, token, basic, queryTokens, ranges, unavailable } = access
  return {
    name: source.name,
    preset: source.preset,
    secrets: secrets.length,
    unsigned: source.unsigned,
    hasToken: token !== undefined || basic !== undefined || queryTokens !== undefined,
    hasRanges: ranges !== undefined,
    ...(unavailable !== undefined && { unavailable }),
  }
}
