import { serviceTopics, topicNames } from '@weir/contracts'
import { openAuditLog, type TopicTail } from '@weir/kafka'
import {
  AccessTokens,
  warnOfExpiry,
  Closers,
  logStart,
  noteStart,
  requireTopics,
  type Service,
  type ServiceDeps,
} from '@weir/runtime'
import { READ_TOKENS, SETTINGS, TOKENS, type ConsoleConfig } from './config.ts'
import { consoleMetrics } from './console-metrics.ts'
import { EventIndex } from './event-index.ts'
import { findEventIn } from './find-event.ts'
import { findInteractionIn } from './find-interaction.ts'
import { followTopics } from './follow-topics.ts'
import { buildServer } from './server.ts'
import { StoredEvents } from './stored-events.ts'

const DEV_TOKEN = 'dev'
const SAMPLE_MS = 1_000

/**
 * Responds from the start. Until the topics are read, `/readyz` reports it, and responses use the database and what was
 * read.
 */
export const start = async (config: ConsoleConfig, { logger, metrics }: ServiceDeps): Promise<Service> => {
  logStart(logger, SETTINGS, config)
  const { eventsMax, lettersMax, databaseUrl, databaseTimeoutMs: timeoutMs } = config
  // The dev profile alone allows no tokens.
  const isOpen = config.tokens.length + config.readTokens.length === 0
  if (isOpen) logger.warn({}, `CONSOLE_TOKENS is not set: the token is ${DEV_TOKEN}`)
  const tokens = new AccessTokens()
    .add(config.tokens, TOKENS)
    .add(isOpen ? [DEV_TOKEN] : config.readTokens, READ_TOKENS)
  const closers = new Closers()
  closers.add(warnOfExpiry(tokens, 'CONSOLE_TOKENS or CONSOLE_READ_TOKENS', logger))
  const closing = new AbortController()
  const counters = consoleMetrics(metrics)
  const index = new EventIndex({ eventsMax, lettersMax })
  const stored = databaseUrl === undefined ? undefined : new StoredEvents({ databaseUrl, timeoutMs })
  let tail: TopicTail | undefined
  const readiness = (): readonly string[] => {
    if (tail === undefined) return ['waiting for Kafka']
    return tail.isCaughtUp ? [] : ['reading the topics']
  }
  const audit = openAuditLog(config, logger)
  closers.add(() => audit.close())
  const app = buildServer({
    audit,
    config,
    metrics,
    counters,
    readiness,
    tokens,
    findEvent: findEventIn(index, stored),
    findInteraction: findInteractionIn(stored),
  })
  const open = async (): Promise<void> => {
    await requireTopics({
      service: 'console',
      config,
      logger,
      signal: closing.signal,
      roles: serviceTopics('console').reads,
      isTransactional: false,
    })
    await noteStart(audit, 'console', { settings: SETTINGS, config, tokens })
    const topics = topicNames(config.topicPrefix)
    tail = await followTopics({ settings: config, logger, topics, index, eventsMax, lettersMax })
  }
  closers.add(() => stored?.close())
  closers.add(() => tail?.close())
  const failure = Promise.withResolvers<never>()
  failure.promise.catch(() => undefined)
  try {
    await app.listen({ host: config.host, port: config.port })
  } catch (error) {
    await closers.close()
    throw error
  }
  const opened = open().catch((error: unknown) => {
    if (!closing.signal.aborted) failure.reject(error)
  })
  closers.add(async () => {
    closing.abort()
    await opened
    await app.close()
  })
  const sample = setInterval(() => {
    counters.events.set(index.eventCount)
    counters.letters.set(index.letterCount)
    counters.lag.set(tail?.lag() ?? 0)
  }, SAMPLE_MS)
  closers.add(() => clearInterval(sample))
  logger.info({ address: app.server.address() }, 'listening')
  return { stop: () => closers.close(), failed: failure.promise, readiness }
}
