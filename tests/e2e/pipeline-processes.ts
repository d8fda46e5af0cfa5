import { randomBytes } from 'node:crypto'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { TOPIC_SPECS } from '@weir/contracts'
import { ensureTopics } from '@weir/kafka'
import { freePorts, startServiceProcess, type Folders, type ServiceProcess } from '@weir/local-stack'
import { readTotals } from '@weir/metric-export'
import { examine, Observer, type Examination, type Totals } from '@weir/observer'
import { createLogger, Metrics } from '@weir/service-kit'
import {
  Plan,
  Sender,
  simulator,
  startSimulator,
  type Shipment,
  type SimulatorService,
} from '@weir/simulator'
import { isolatedDatabase, isolatedFolders, isolatedKafka, testServers } from '@weir/testkit'
import { TruthLedger } from '@weir/truth'

const NAMES = ['ingress', 'dedup', 'normalizer', 'persistence', 'metric-export'] as const
/** Replay is started by those tests that use it. */
export type ServiceName = (typeof NAMES)[number] | 'replay'
const ALL: readonly ServiceName[] = [...NAMES, 'replay']

export const SECRET = 'a secret of the end-to-end tests'
const REPLAY_TOKEN = 'a token of the end-to-end tests'
const DRAIN_MS_MAX = 90_000
const SEND_MS_MAX = 60_000
const LOOK_MS = 50
const SILENT = createLogger('e2e', 'silent')

export interface Servers {
  readonly databaseUrl: string
  readonly registryUrl: string
}

type Env = Readonly<Record<string, string>>

/** One deployment: every service a process of its own, on topics and in a database that nothing else uses. */
export class PipelineProcesses {
  readonly #folders: Folders
  /** What every service sees. */
  readonly env: Env
  readonly #ports: ReadonlyMap<ServiceName, number>
  readonly #services = new Map<ServiceName, ServiceProcess>()
  #simulator: SimulatorService | undefined
  readonly #unexpected: string[] = []
  readonly databaseUrl: string
  readonly truthDir: string
  /** Of dedup: its checkpoints. */
  readonly stateDir: string
  readonly settings
  readonly observer: Observer

  private constructor(name: string, servers: Servers, ports: readonly number[], env: Env) {
    const { influxUrl } = testServers()
    this.#folders = isolatedFolders(name)
    this.#ports = new Map(ALL.map((service, i) => [service, ports[i]!]))
    this.settings = isolatedKafka(name)
    this.databaseUrl = servers.databaseUrl
    this.truthDir = join(this.#folders.state, 'truth')
    this.stateDir = join(this.#folders.state, 'dedup')
    this.observer = new Observer({ settings: this.settings, ...servers })
    this.env = {
      WEIR_PROFILE: 'dev',
      KAFKA_BROKERS: this.settings.kafkaBrokers.join(','),
      TOPIC_PREFIX: this.settings.topicPrefix,
      TOPIC_PARTITIONS: String(this.settings.topicPartitions),
      KAFKA_SESSION_TIMEOUT_MS: '4000',
      SCHEMA_REGISTRY_URL: servers.registryUrl,
      DATABASE_URL: servers.databaseUrl,
      INFLUX_URL: influxUrl ?? '',
      INFLUX_BUCKET: 'cxone_metrics/autogen',
      METRIC_EXPORT_ENVIRONMENT: basename(this.#folders.state),
      STATS_WINDOW_SECS: '5',
      STATE_DIR: this.stateDir,
      TRUTH_DIR: this.truthDir,
      SOURCE_CXONE_SECRETS: SECRET,
      SOURCE_CXONE_DATAACTION_SECRETS: SECRET,
      SOURCE_NICE_SECRETS: SECRET,
      SOURCE_COGNIGY_CIDRS: '127.0.0.1',
      INGRESS_HOST: '127.0.0.1',
      INGRESS_PORT: this.#port('ingress'),
      DEDUP_PROBE_PORT: this.#port('dedup'),
      NORMALIZER_PROBE_PORT: this.#port('normalizer'),
      PERSISTENCE_PROBE_PORT: this.#port('persistence'),
      METRIC_EXPORT_PROBE_PORT: this.#port('metric-export'),
      REPLAY_PORT: this.#port('replay'),
      REPLAY_URL: `http://127.0.0.1:${this.#port('replay')}`,
      REPLAY_TOKENS: `tests:${REPLAY_TOKEN}`,
      REPLAY_TOKEN,
      SIMULATOR_TARGET_URL: this.ingressUrl,
      SIMULATOR_PROBE_PORT: '0',
      ...env,
    }
  }

  /** `servers`: instead of those that the tests share. */
  static async start(name: string, servers?: Servers, env: Env = {}): Promise<PipelineProcesses> {
    const ports = await freePorts(ALL.length)
    const used = servers ?? {
      databaseUrl: await isolatedDatabase(name),
      registryUrl: testServers().registryUrl,
    }
    const pipeline = new PipelineProcesses(name, used, ports, env)
    const { settings } = pipeline
    await ensureTopics({
      ...{ settings, logger: SILENT, specs: TOPIC_SPECS, replicationFactor: 1, minInsyncReplicas: 1 },
    })
    try {
      await Promise.all(NAMES.map((service) => pipeline.start(service)))
    } catch (error) {
      await pipeline.close()
      throw error
    }
    return pipeline
  }

  get ingressUrl(): string {
    return `http://127.0.0.1:${this.#ports.get('ingress')!}`
  }

  /** Resolves once it is ready. */
  async start(name: ServiceName): Promise<void> {
    const [folders, port] = [this.#folders, this.#ports.get(name)!]
    const service = startServiceProcess({ folders, name, port, env: this.env })
    this.#services.set(name, service)
    void service.exited.then(({ code, signal }) => {
      if (this.#services.get(name) !== service) return
      this.#unexpected.push(`${name} has ended with ${code ?? signal ?? '?'}; its log is ${service.logFile}`)
    })
    await service.untilReady()
  }

  /** kill -9 */
  async kill(name: ServiceName): Promise<void> {
    await this.#take(name)?.kill()
  }

  /** As an orchestrator stops it. */
  async stop(name: ServiceName): Promise<void> {
    await this.#take(name)?.stop()
  }

  /** kill -9 of every service at once. */
  killAll(): Promise<unknown> {
    return Promise.all([...this.#services.keys()].map((name) => this.kill(name)))
  }

  stopAll(): Promise<unknown> {
    return Promise.all(NAMES.map((name) => this.stop(name)))
  }

  startAll(): Promise<unknown> {
    return Promise.all(NAMES.map((name) => this.start(name)))
  }

  /** Traffic from this process, per second, until it is stopped; the ledger of what was sent is in `truthDir`. */
  async simulate(rate: number): Promise<SimulatorService> {
    const config = simulator.loadConfig({
      ...this.env,
      SIMULATOR_RATE: String(rate),
      SIMULATOR_LATE_AFTER_SECS: '3',
    })
    this.#simulator = await startSimulator(config, { logger: SILENT, metrics: new Metrics('simulator') })
    return this.#simulator
  }

  /** Requests as the providers send them, none of them a repeat. */
  plan(count: number): readonly Shipment[] {
    const config = simulator.loadConfig({ ...this.env, SIMULATOR_DUPLICATES: '0' })
    const plan = new Plan(config, randomBytes(4).toString('hex'))
    return Array.from({ length: count }, () => plan.next(Date.now()))
  }

  /** Sends requests, noted in the ledger, and resolves once each has its answer; those answered badly are tried again. */
  async send(shipments: readonly Shipment[]): Promise<void> {
    const ledger = TruthLedger.open(this.truthDir, randomBytes(4).toString('hex'))
    const sender = new Sender(this.ingressUrl, ledger, SILENT)
    sender.send(shipments)
    await sender.drain(SEND_MS_MAX)
    await sender.close()
    ledger.close()
  }

  /** Resolves once the totals are as asked; the test's own time-out ends it. */
  untilTotals(condition: (totals: Totals) => boolean): Promise<void> {
    return this.until(async () => condition(await this.observer.totals()))
  }

  async until(condition: () => Promise<boolean>): Promise<void> {
    while (!(await condition())) await sleep(LOOK_MS)
  }

  /** Ends the traffic, waits until everything has come to its end and compares it with the ledger. */
  async examine(): Promise<Examination> {
    await this.#simulator?.stop()
    const { influxUrl, influxMissing } = testServers()
    if (influxUrl === undefined) process.stderr.write(`InfluxDB is not checked: ${influxMissing ?? ''}\n`)
    const influx = {
      ...{ influxUrl: influxUrl ?? '', influxToken: '', influxOrg: 'default', influxTimeoutMs: 10_000 },
      influxBucket: this.env.INFLUX_BUCKET!,
      environment: this.env.METRIC_EXPORT_ENVIRONMENT!,
    }
    const examination = await examine({
      ...{ observer: this.observer, truthDir: this.truthDir, msMax: DRAIN_MS_MAX },
      ...(influxUrl !== undefined && { influx: () => readTotals(influx) }),
    })
    const findings = [...this.#unexpected, ...examination.findings]
    return { ...examination, findings, ok: examination.ok && findings.length === 0 }
  }

  async close(): Promise<void> {
    await this.#simulator?.stop()
    await this.observer.close()
    await this.killAll()
  }

  #port(name: ServiceName): string {
    return String(this.#ports.get(name)!)
  }

  #take(name: ServiceName): ServiceProcess | undefined {
    const service = this.#services.get(name)
    this.#services.delete(name)
    return service
  }
}
