import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  KAFKA_SERVICES,
  portVariable,
  TOPIC_SPECS,
  topicNames,
  type ServiceName,
  type TopicNames,
  type TopicRole,
  type WireRecord,
} from '@weir/contracts'
import { ensureTopics, openLanes, type KafkaSettings } from '@weir/kafka'
import { freePorts, type LocalProcess } from '@weir/local-stack'
import { HttpClient } from '../http-client.ts'
import { Journal } from '../journal.ts'
import type { Rig } from './rig.ts'
import type { ServiceEnvironment, ServiceSpec } from './service-process.ts'
import { TopicLog } from './topic-log.ts'

/** All that connect to Kafka and read what others write. */
export const SERVICES = KAFKA_SERVICES.filter((name) => name !== 'metric-export')

const LOOK_MS = 200
const SETTLED_MS_MAX = 60_000
const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
}

interface Ready {
  readonly reasons?: readonly string[]
  readonly parked?: readonly string[]
}

/** A Weir of its own on topics of one partition each, so that what is done to its topics harms no other row. */
export class Deployment {
  readonly settings: KafkaSettings
  readonly topics: TopicNames
  readonly log: TopicLog
  readonly environment: ServiceEnvironment
  /** Of replay and the console. */
  readonly token = randomBytes(24).toString('hex')
  readonly #rig: Rig
  readonly #clients = new Map<ServiceName, HttpClient>()
  readonly #specs = new Map<ServiceName, ServiceSpec>()
  readonly #processes = new Map<ServiceName, LocalProcess>()

  private constructor(rig: Rig) {
    this.#rig = rig
    const topicPrefix = `security-${randomBytes(4).toString('hex')}.`
    this.settings = { ...rig.settings, topicPrefix, topicPartitions: 1 }
    this.topics = topicNames(topicPrefix)
    this.log = new TopicLog(this.settings)
    this.environment = { ...rig.environment, TOPIC_PREFIX: topicPrefix, TOPIC_PARTITIONS: '1' }
  }

  static async start(rig: Rig): Promise<Deployment> {
    const deployment = new Deployment(rig)
    const { settings } = deployment
    await ensureTopics({
      settings,
      logger: silent,
      specs: TOPIC_SPECS,
      replicationFactor: 1,
      minInsyncReplicas: 1,
    })
    const ports = await freePorts(SERVICES.length)
    SERVICES.forEach((name, index) => deployment.#add(name, ports[index]!))
    await Promise.all(SERVICES.map((name) => deployment.restart(name)))
    return deployment
  }

  client(name: ServiceName): HttpClient {
    return this.#clients.get(name)!
  }

  /** Ends it, where it runs, and waits until it lives again. */
  async restart(name: ServiceName): Promise<void> {
    await this.#processes.get(name)?.stop()
    this.#processes.set(name, await this.#rig.start(this.#specs.get(name)!))
  }

  /** `ready`, or what its readiness says; waits until it is the one or a partition is parked, at most a minute. */
  async state(name: ServiceName): Promise<string> {
    const deadline = performance.now() + SETTLED_MS_MAX
    for (;;) {
      const { status, body } = await this.#ask(name, 'GET', '/readyz')
      const { reasons = [], parked = [] } = JSON.parse(body || '{}') as Ready
      if (parked.length > 0) return `parked: ${parked.join(' ')}`
      if (status === 200) return 'ready'
      if (performance.now() > deadline) return reasons.join(' ') || `status ${status}`
      await sleep(LOOK_MS)
    }
  }

  /** Tries parked partitions again at once. */
  async resume(name: ServiceName): Promise<void> {
    await this.#ask(name, 'POST', '/partitions/resume')
  }

  /** One after the other. */
  async write(role: TopicRole, records: readonly WireRecord[]): Promise<void> {
    const lanes = await openLanes({
      settings: this.settings,
      logger: silent,
      topic: this.topics[role],
      lingerMs: 0,
      deadlineMs: 20_000,
      batchRecordsMax: 1,
      batchBytesMax: 1_000_000,
      queueBytesMax: 20_000_000,
    })
    try {
      for (const record of records) await lanes.send(0, record)
    } finally {
      await lanes.close()
    }
  }

  #ask(name: ServiceName, method: string, path: string) {
    return this.client(name).send({ method, path, headers: [], raw: Buffer.alloc(0) })
  }

  #add(name: ServiceName, port: number): void {
    const { secrets, folders } = this.#rig
    const own: Partial<Record<ServiceName, ServiceEnvironment>> = {
      ingress: {
        INGRESS_HOST: '127.0.0.1',
        INGRESS_REQUEST_BUDGET_MS: '20000',
        SOURCE_CXONE_SECRETS: secrets.cxoneNew,
      },
      dedup: {
        DEDUP_FILTER_CAPACITY: '16384',
        STATE_DIR: join(folders.state, `dedup-${this.settings.topicPrefix}`),
      },
      console: { CONSOLE_TOKENS: this.token },
      replay: { REPLAY_TOKENS: `suite:${this.token}` },
    }
    this.#clients.set(name, new HttpClient(port, new Journal()))
    this.#specs.set(name, {
      name: `${name}-hostile`,
      service: name,
      probePort: port,
      until: '/livez',
      env: { ...this.environment, ...own[name], [portVariable(name)]: String(port) },
    })
  }
}
