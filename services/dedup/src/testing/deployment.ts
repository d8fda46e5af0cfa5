import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  bodyHashOf,
  contentKeyOf,
  decodeDedupStats,
  encodeReceivedWebhook,
  entityKeyOf,
  eventKeyOf,
  HEADER,
  TOPIC_SPECS,
  topicNames,
  type TopicNames,
  type WireRecord,
} from '@weir/contracts'
import {
  ensureTopics,
  openLanes,
  openTopicReader,
  partitionOf,
  type InputRecord,
  type KafkaSettings,
  type Lanes,
} from '@weir/kafka'
import { createLogger, Metrics, type Environment, type Service } from '@weir/runtime'
import { expect, vi } from 'vitest'
import { service as dedup } from '../index.ts'

const HASH_KEY = Buffer.from('test')
export const silent = createLogger('dedup-test', 'silent')

/** A webhook as ingress writes it. Without `body` the same id gives the same body. */
export const webhook = (id: string, body = `{"id":"${id}"}`, malformed = false): WireRecord => {
  const raw = Buffer.from(body)
  return encodeReceivedWebhook({
    source: 'cxone',
    entityKey: entityKeyOf('cxone', id),
    interactionId: id,
    eventKey: eventKeyOf('cxone', id),
    dedupKey: id,
    bodyHash: bodyHashOf(HASH_KEY, raw),
    eventType: 'CALL_CONNECTED',
    receivedAt: 0,
    raw,
    ...(malformed && { intakeError: { reason: 'invalid_json', detail: 'planted', answered: 'rejected' } }),
  })
}

/** A webhook of a source that guards its content. */
export const guardedWebhook = (id: string, body: string): WireRecord => {
  const { headers, ...record } = webhook(id, body)
  return { ...record, headers: { ...headers, [HEADER.contentKey]: contentKeyOf('cxone', Buffer.from(body)) } }
}

/** Topics of its own, and a service that tests can start and stop. */
export class Deployment {
  readonly settings: KafkaSettings
  readonly topics: TopicNames
  readonly stateDir = mkdtempSync(join(tmpdir(), 'weir-dedup-'))
  #lanes = new Map<string, Lanes>()
  #service: Service | undefined

  constructor(settings: KafkaSettings) {
    this.settings = settings
    this.topics = topicNames(settings.topicPrefix)
  }

  createTopics(): Promise<void> {
    const { settings } = this
    return ensureTopics({
      settings,
      logger: silent,
      specs: TOPIC_SPECS,
      replicationFactor: 1,
      minInsyncReplicas: 1,
    })
  }

  /** Resolves when the service has started, which does not mean that it is ready. */
  async start(env: Environment = {}, metrics = new Metrics('dedup')): Promise<Service> {
    const { settings, stateDir } = this
    const config = dedup.loadConfig({
      WEIR_PROFILE: 'dev',
      KAFKA_BROKERS: settings.kafkaBrokers.join(','),
      TOPIC_PREFIX: settings.topicPrefix,
      TOPIC_PARTITIONS: String(settings.topicPartitions),
      KAFKA_SESSION_TIMEOUT_MS: '6000',
      STATE_DIR: stateDir,
      STATS_WINDOW_SECS: '10',
      DEDUP_BATCH_RECORDS_MAX: '100',
      DEDUP_PROBE_PORT: '0',
      ...env,
    })
    this.#service = await dedup.start(config, { logger: silent, metrics })
    return this.#service
  }

  async stop(): Promise<void> {
    const service = this.#service
    this.#service = undefined
    await service?.stop()
  }

  /** Sends to the partition of the record's key unless another is given. */
  async send(record: WireRecord, topic = this.topics.received, partition?: number): Promise<void> {
    const { settings } = this
    let lanes = this.#lanes.get(topic)
    if (lanes === undefined) {
      lanes = await openLanes({
        settings,
        logger: silent,
        topic,
        lingerMs: 1,
        deadlineMs: 20_000,
        batchRecordsMax: 500,
        batchBytesMax: 1_000_000,
        queueBytesMax: 20_000_000,
      })
      this.#lanes.set(topic, lanes)
    }
    await lanes.send(partition ?? partitionOf(record.key, settings.topicPartitions), record)
  }

  /** Call after a topic was created again, because connections cache where its partitions were. */
  async reopenLanes(): Promise<void> {
    for (const lanes of this.#lanes.values()) await lanes.close()
    this.#lanes.clear()
  }

  async read(topic: string): Promise<InputRecord[]> {
    const reader = await openTopicReader(this.settings, topic)
    const all: InputRecord[] = []
    await reader.readToEnd((records) => void all.push(...records))
    await reader.close()
    return all
  }

  /** The sums of all stats records. */
  async totals() {
    const sum = {
      received: 0,
      returned: 0,
      malformed: 0,
      malformedRepeats: 0,
      unique: 0,
      duplicates: 0,
      conflicts: 0,
      deadLettered: 0,
    }
    for (const { value } of await this.read(this.topics.stats)) {
      const stats = decodeDedupStats(value!)
      for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += stats[name]
    }
    return sum
  }

  async close(): Promise<void> {
    await this.stop()
    await this.reopenLanes()
    rmSync(this.stateDir, { recursive: true, force: true })
  }
}

/** Resolves when a partition of the service is parked with a message that contains this text. */
export const parkedWith = (service: Service, text: string | RegExp): Promise<void> =>
  vi.waitFor(() => expect(service.parked?.().join('\n') ?? '').toMatch(text), {
    timeout: 30_000,
    interval: 50,
  })
