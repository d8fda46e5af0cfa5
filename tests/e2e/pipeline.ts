import { randomBytes } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { EVENT_SERVICES, TOPIC_SPECS, type ServiceName } from '@weir/contracts'
import { ensureTopics } from '@weir/kafka'
import { freePorts, type Folders } from '@weir/local-stack'
import { readTotals, type InfluxSettings } from '@weir/metric-export'
import { examine, Observer, type Examination, type InfluxTotals, type Totals } from '@weir/observer'
import { createLogger, Metrics } from '@weir/runtime'
import {
  Plan,
  Sender,
  service as simulator,
  startSimulator,
  type Shipment,
  type SimulatorService,
} from '@weir/simulator'
import {
  isolatedDatabase,
  isolatedFolders,
  isolatedKafka,
  startService,
  testServers,
  type InfluxAccess,
  type TestService,
} from '@weir/testkit'
import { TruthLedger } from '@weir/truth'

export const SECRET = 'a secret of the end-to-end tests'
const REPLAY_TOKEN = 'a token of the end-to-end tests'
const DRAIN_MS_MAX = 90_000
const SEND_MS_MAX = 60_000
const LOOK_MS = 50
const SILENT = createLogger('e2e', 'silent')

type Env = Readonly<Record<string, string>>

export interface PipelineOptions {
  /** Default: servers that the tests share. */
  readonly kafkaBrokers?: readonly string[]
  readonly databaseUrl?: string
  readonly registryUrl?: string
  /** Default: 2. */
  readonly partitions?: number
  readonly env?: Env
  /** Of Weir, until `upgrade`; only in containers. Default: the one that is tested. */
  readonly image?: string | undefined
}

/** One deployment, each service on its own, on topics and in a database that nothing else uses. */
export class Pipeline {
  readonly #folders: Folders
  /** What every service sees, but for its port and its state; with addresses as this process sees them. */
  readonly env: Env
  readonly #ports: Map<string, number>
  readonly #files: readonly string[]
  readonly #services = new Map<string, TestService>()
  #simulator: SimulatorService | undefined
  readonly #unexpected: string[] = []
  #image: string | undefined
  #wasUpgraded = false
  readonly databaseUrl: string
  readonly truthDir: string
  readonly settings
  readonly observer: Observer

  private constructor(
    name: string,
    options: PipelineOptions & { readonly databaseUrl: string; readonly registryUrl: string },
    ports: readonly number[],
  ) {
    const { influx } = testServers()
    const { kafkaBrokers, databaseUrl, registryUrl, partitions, env = {} } = options
    const [ingressPort, replayPort] = ports
    this.#ports = new Map([
      [keyOf('ingress', 0), ingressPort!],
      [keyOf('replay', 0), replayPort!],
    ])
    this.#image = options.image
    this.#files = [env.MAPPINGS_FILE, env.SOURCES_FILE].filter((file) => file !== undefined)
    this.#folders = isolatedFolders(name)
    this.settings = { ...isolatedKafka(name, partitions), ...(kafkaBrokers && { kafkaBrokers }) }
    this.databaseUrl = databaseUrl
    this.truthDir = join(this.#folders.state, 'truth')
    this.observer = new Observer({ settings: this.settings, databaseUrl, registryUrl })
    this.env = {
      WEIR_PROFILE: 'dev',
      KAFKA_BROKERS: this.settings.kafkaBrokers.join(','),
      TOPIC_PREFIX: this.settings.topicPrefix,
      TOPIC_PARTITIONS: String(this.settings.topicPartitions),
      KAFKA_SESSION_TIMEOUT_MS: '4000',
      SCHEMA_REGISTRY_URL: registryUrl,
      DATABASE_URL: databaseUrl,
      INFLUX_URL: influx?.url ?? '',
      INFLUX_TOKEN: influx?.token ?? '',
      INFLUX_ORG: influx?.org ?? '',
      INFLUX_BUCKET: influx?.bucket ?? '',
      METRIC_EXPORT_ENVIRONMENT: basename(this.#folders.state),
      STATS_WINDOW_SECS: '5',
      SOURCE_CXONE_SECRETS: SECRET,
      SOURCE_CXONE_DATAACTION_SECRETS: SECRET,
      SOURCE_NICE_SECRETS: SECRET,
      // This process, however its requests get to a container.
      SOURCE_COGNIGY_CIDRS: '127.0.0.1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16',
      REPLAY_URL: `http://127.0.0.1:${replayPort!}`,
      REPLAY_TOKENS: `tests:${REPLAY_TOKEN}`,
      REPLAY_TOKEN,
      ...env,
    }
  }

  static async start(name: string, options: PipelineOptions = {}): Promise<Pipeline> {
    const { databaseUrl, registryUrl } = options
    const used = {
      ...options,
      databaseUrl: databaseUrl ?? (await isolatedDatabase(name)),
      registryUrl: registryUrl ?? testServers().registryUrl,
    }
    const pipeline = new Pipeline(name, used, await freePorts(2))
    const { settings } = pipeline
    await ensureTopics({
      settings,
      logger: SILENT,
      specs: TOPIC_SPECS,
      replicationFactor: 1,
      minInsyncReplicas: 1,
    })
    try {
      await pipeline.startAll()
    } catch (error) {
      await pipeline.close()
      throw error
    }
    return pipeline
  }

  /** Of an instance of ingress that was started at least once. */
  ingressUrl(instance = 0): string {
    return `http://127.0.0.1:${this.#ports.get(keyOf('ingress', instance))!}`
  }

  /** Of the console, once it was started. */
  consoleUrl(): string {
    return `http://127.0.0.1:${this.#ports.get(keyOf('console', 0))!}`
  }

  /** Sums over this deployment's points; undefined where there is no InfluxDB. */
  async influxTotals(): Promise<InfluxTotals | undefined> {
    const { influx } = testServers()
    return influx && readTotals(this.#influxSettings(influx))
  }

  /**
   * Resolves once it is ready. An instance that was there before comes back to its port and its state. `env`: of this
   * start alone.
   */
  async start(name: ServiceName, instance = 0, env: Env = {}): Promise<void> {
    const key = keyOf(name, instance)
    const service = await this.#launch(name, instance, env)
    this.#services.set(key, service)
    void service.exited.then(({ code, signal }) => {
      if (this.#services.get(key) !== service) return
      this.#unexpected.push(`${key} has ended with ${code ?? signal ?? '?'}; its log is ${service.logFile}`)
    })
    await service.untilReady()
  }

  async #launch(name: ServiceName, instance: number, env: Env): Promise<TestService> {
    const key = keyOf(name, instance)
    let port = this.#ports.get(key)
    if (port === undefined) {
      port = (await freePorts(1))[0]!
      this.#ports.set(key, port)
    }
    return startService({
      folders: this.#folders,
      name,
      instance,
      port,
      env: { ...this.env, ...env },
      files: this.#files,
      ...(name === 'dedup' && { stateDir: this.stateDir(instance) }),
      ...(this.#image !== undefined && { image: this.#image }),
    })
  }

  /** What starts from here on is of the image that is tested. */
  upgrade(): void {
    this.#image = undefined
    this.#wasUpgraded = true
  }

  /** Resolves to the exit code of a service that must end by itself and never be ready, once its log says `text`. */
  async refuses(name: ServiceName, text: string): Promise<number | null> {
    const service = await this.#launch(name, 0, {})
    const isReady = await service.untilReady().then(
      () => true,
      () => false,
    )
    const code = service.exit()?.code
    await service.kill()
    if (isReady || code === undefined) throw new Error(`${name} was to end by itself, and did not`)
    await this.until(() => Promise.resolve(readFileSync(service.logFile, 'utf8').includes(text)))
    return code
  }

  /** How many transactions an instance has committed since it was started. */
  async transactions(name: ServiceName, instance: number): Promise<number> {
    const answer = await fetch(`http://127.0.0.1:${this.#ports.get(keyOf(name, instance))!}/metrics`)
    const found = new RegExp(`^weir_${name}_transaction_seconds_count\\S* (\\d+)`, 'm').exec(
      await answer.text(),
    )
    return Number(found?.[1] ?? 0)
  }

  /** kill -9 */
  async kill(name: ServiceName, instance = 0): Promise<void> {
    await this.#take(keyOf(name, instance))?.kill()
  }

  /** Resolves when it has ended by itself, as a failpoint lets it. */
  async died(name: ServiceName, instance = 0): Promise<void> {
    await this.#take(keyOf(name, instance))?.exited
  }

  /** As an orchestrator stops it. */
  async stop(name: ServiceName, instance = 0): Promise<void> {
    await this.#take(keyOf(name, instance))?.stop()
  }

  /** Where an instance of dedup has its checkpoints. */
  stateDir(instance = 0): string {
    return join(this.#folders.state, keyOf('dedup', instance))
  }

  /** The checkpoints of every dedup. */
  removeState(): void {
    const instances = [...this.#ports.keys()].filter((key) => key.startsWith('dedup-')).length
    for (let i = 0; i < instances; i++) rmSync(this.stateDir(i), { recursive: true, force: true })
  }

  /** kill -9 of every service at once. */
  killAll(): Promise<unknown> {
    return Promise.all([...this.#services.keys()].map(async (key) => this.#take(key)?.kill()))
  }

  stopAll(): Promise<unknown> {
    return Promise.all([...this.#services.keys()].map(async (key) => this.#take(key)?.stop()))
  }

  /** One instance of each service. */
  startAll(): Promise<unknown> {
    return Promise.all(EVENT_SERVICES.map((name) => this.start(name)))
  }

  /** Traffic from this process, per second, until it is stopped; the ledger of what was sent is in `truthDir`. */
  async simulate(rate: number, targetUrl = this.ingressUrl()): Promise<SimulatorService> {
    const config = simulator.loadConfig({
      ...this.#simulatorEnv(targetUrl),
      SIMULATOR_RATE: String(rate),
      SIMULATOR_LATE_AFTER_SECS: '3',
    })
    this.#simulator = await startSimulator(config, { logger: SILENT, metrics: new Metrics('simulator') })
    return this.#simulator
  }

  /** Requests as the providers send them, none of them a repeat. */
  plan(count: number): readonly Shipment[] {
    const config = simulator.loadConfig({
      ...this.#simulatorEnv(this.ingressUrl()),
      SIMULATOR_DUPLICATES: '0',
    })
    const plan = new Plan(config, randomBytes(4).toString('hex'))
    return Array.from({ length: count }, () => plan.next(Date.now()))
  }

  /**
   * Sends requests, noted in the ledger, and resolves once each has its answer; those answered badly are tried again.
   */
  async send(shipments: readonly Shipment[]): Promise<void> {
    const ledger = TruthLedger.open(this.truthDir, randomBytes(4).toString('hex'))
    const sender = new Sender(this.ingressUrl(), ledger, SILENT)
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
    const { influx: server, influxMissing } = testServers()
    // What an older version has counted was counted by other rules.
    const influx = this.#wasUpgraded ? undefined : server
    if (server === undefined) process.stderr.write(`InfluxDB is not checked: ${influxMissing ?? ''}\n`)
    const examination = await examine({
      observer: this.observer,
      truthDir: this.truthDir,
      msMax: DRAIN_MS_MAX,
      ...(influx !== undefined && { influx: () => readTotals(this.#influxSettings(influx)) }),
    })
    const findings = [...this.#unexpected, ...examination.findings]
    return { ...examination, findings, ok: examination.ok && findings.length === 0 }
  }

  async close(): Promise<void> {
    await this.#simulator?.stop()
    await this.observer.close()
    await this.killAll()
  }

  #influxSettings({ url, token, org, bucket }: InfluxAccess): InfluxSettings {
    return {
      influxUrl: url,
      influxToken: token,
      influxOrg: org,
      influxBucket: bucket,
      influxTimeoutMs: 10_000,
      environment: this.env.METRIC_EXPORT_ENVIRONMENT!,
    }
  }

  #simulatorEnv(targetUrl: string): Env {
    return {
      ...this.env,
      TRUTH_DIR: this.truthDir,
      SIMULATOR_TARGET_URL: targetUrl,
      SIMULATOR_PROBE_PORT: '0',
    }
  }

  #take(key: string): TestService | undefined {
    const service = this.#services.get(key)
    this.#services.delete(key)
    return service
  }
}

const keyOf = (name: ServiceName, instance: number): string => `${name}-${instance}`
