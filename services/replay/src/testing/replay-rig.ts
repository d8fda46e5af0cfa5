import {
  encodeDeadLetter,
  encodeReceivedWebhook,
  entityKeyOf,
  eventKeyOf,
  HEADER,
  parseDeadLetterKeys,
  TOPIC_SPECS,
  topicNames,
  type DeadLetterReason,
  type TopicNames,
} from '@weir/contracts'
import {
  ensureTopics,
  openLanes,
  openTopicReader,
  partitionOf,
  type InputRecord,
  type KafkaSettings,
  type OutputRecord,
} from '@weir/kafka'
import { createLogger, Metrics, type Service } from '@weir/runtime'
import { expect, vi } from 'vitest'
import { service as replay } from '../index.ts'

const PORT = 27_015
const TOKEN = 'a token of the tests'
const KEYS = `k1:${'ab'.repeat(32)}`
const logger = createLogger('replay-test', 'silent')
export const WAIT = { timeout: 60_000, interval: 100 }

interface LetterChanges {
  readonly source?: string
  readonly body?: string
  readonly replayCount?: number
  readonly sealed?: boolean
}

/** The replay service on isolated topics, its API, and letters for it. */
export class ReplayRig {
  readonly settings: KafkaSettings
  readonly topics: TopicNames
  readonly #registryUrl: string
  #service: Service | undefined

  private constructor(settings: KafkaSettings, registryUrl: string) {
    this.settings = settings
    this.topics = topicNames(settings.topicPrefix)
    this.#registryUrl = registryUrl
  }

  static async open(settings: KafkaSettings, registryUrl: string): Promise<ReplayRig> {
    const rig = new ReplayRig(settings, registryUrl)
    await ensureTopics({ settings, logger, specs: TOPIC_SPECS, replicationFactor: 1, minInsyncReplicas: 1 })
    return rig
  }

  async start(env: Readonly<Record<string, string>> = {}): Promise<void> {
    const { kafkaBrokers, topicPrefix, topicPartitions } = this.settings
    const config = replay.loadConfig({
      WEIR_PROFILE: 'dev',
      KAFKA_BROKERS: kafkaBrokers.join(','),
      TOPIC_PREFIX: topicPrefix,
      TOPIC_PARTITIONS: String(topicPartitions),
      KAFKA_SESSION_TIMEOUT_MS: '6000',
      SCHEMA_REGISTRY_URL: this.#registryUrl,
      REPLAY_PORT: String(PORT),
      REPLAY_TOKENS: `ann:${TOKEN}`,
      DLQ_KEYS: KEYS,
      BODY_HASH_KEY: 'a key of the tests',
      ...env,
    })
    this.#service = await replay.start(config, { logger, metrics: new Metrics('replay') })
    await vi.waitFor(() => expect(this.#service?.readiness()).toEqual([]), WAIT)
  }

  async stop(): Promise<void> {
    await this.#service?.stop()
    this.#service = undefined
  }

  async call(method: string, path: string, body?: object, token = TOKEN) {
    const response = await fetch(`http://127.0.0.1:${PORT}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return {
      status: response.status,
      text,
      json: text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {},
    }
  }

  letterOf(topic: string, id: string, reason: DeadLetterReason, changes: LetterChanges): OutputRecord {
    const source = changes.source ?? 'nice'
    const webhook = encodeReceivedWebhook({
      source,
      interactionId: id,
      entityKey: entityKeyOf(source, id),
      dedupKey: id,
      eventType: 'type',
      eventKey: eventKeyOf(source, id),
      bodyHash: Buffer.alloc(8, 3),
      receivedAt: 5,
      raw: Buffer.from(changes.body ?? `{"id":"${id}"}`),
    })
    const headers = {
      ...webhook.headers,
      [HEADER.replayCount]: Buffer.from(String(changes.replayCount ?? 0)),
    }
    const partition = partitionOf(webhook.key, this.settings.topicPartitions)
    const origin = { ...webhook, headers, topic: 'unique', partition, offset: 0n }
    const letter = encodeDeadLetter(
      { origin, reason, step: 'step', error: 'planted', failedAt: 1_000 },
      changes.sealed ? parseDeadLetterKeys([KEYS]) : undefined,
    )
    return { topic, partition, ...letter }
  }

  async putLetters(
    topic: string,
    ids: readonly string[],
    reason: DeadLetterReason,
    changes: LetterChanges = {},
  ): Promise<void> {
    const lane = await openLanes({
      settings: this.settings,
      logger,
      topic,
      lingerMs: 1,
      deadlineMs: 20_000,
      batchRecordsMax: 500,
      batchBytesMax: 500_000,
      queueBytesMax: 10_000_000,
    })
    const letters = ids.map((id) => this.letterOf(topic, id, reason, changes))
    await Promise.all(letters.map((letter) => lane.send(letter.partition, letter)))
    await lane.close()
  }

  async readAll(topic: string): Promise<InputRecord[]> {
    const reader = await openTopicReader(this.settings, topic)
    const all: InputRecord[] = []
    await reader.readToEnd((records) => void all.push(...records))
    await reader.close()
    return all
  }

  /** Resolves to the job when it has ended. */
  async ended(id: string): Promise<Record<string, unknown>> {
    let job: Record<string, unknown> = {}
    await vi.waitFor(async () => {
      job = (await this.call('GET', `/v1/jobs/${id}`)).json
      expect(['done', 'cancelled']).toContain(job.state)
    }, WAIT)
    return job
  }

  /** Starts a job and resolves when it has ended. */
  async run(request: object): Promise<Record<string, unknown>> {
    const { status, json } = await this.call('POST', '/v1/jobs', request)
    expect(status).toBe(202)
    return this.ended(json.id as string)
  }
}
