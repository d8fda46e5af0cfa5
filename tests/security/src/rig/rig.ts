import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TOPIC_SPECS } from '@weir/contracts'
import { ensureTopics, type KafkaSettings } from '@weir/kafka'
import { folders as foldersOf, freePorts, weirHome, type Folders, type LocalProcess } from '@weir/local-stack'
import { HttpClient } from '../http-client.ts'
import { Journal } from '../journal.ts'
import type { Tier } from '../tier.ts'
import {
  freshSecrets,
  freshSigningKey,
  sourcesUnderTest,
  type Secrets,
  type SigningKey,
  type SourcesUnderTest,
} from '../source-under-test.ts'
import { startLocalRun, type LocalRun } from './local-run.ts'
import { startServers, type Servers } from './servers.ts'
import { startServiceProcess, type ServiceEnvironment, type ServiceSpec } from './service-process.ts'
import { StoredRows } from './stored-rows.ts'
import { TopicLog } from './topic-log.ts'

export const PARTITIONS = 4
export const BODY_BYTES_MAX = 262_144
/** A busy machine is no reason for a 503. */
const REQUEST_BUDGET_MS = 20_000
/** Answers of an ingress without Kafka shall not take so long. */
const CUT_OFF_BUDGET_MS = 1_500
const PORTS = 12
/** Of the ingress that limits: far more than the flood's other source sends at once, far fewer than the flood. */
const RATE_PER_SEC = 50
/** Addresses of the loopback network: whoever asks from there is a peer of its own. */
export const COGNIGY_ADDRESS = '127.0.0.2'
export const PROXY_ADDRESS = '127.0.0.3'

/** What the cases run against: real servers, and Weir's services as processes. */
export interface Rig {
  readonly tier: Tier
  readonly secrets: Secrets
  readonly sources: SourcesUnderTest
  readonly journal: Journal
  /** Of an ingress that works. */
  readonly ingress: HttpClient
  /** Of an ingress whose brokers never answer, with the newest secrets only. */
  readonly cutOff: HttpClient
  /** Of an ingress whose sources come from a file. */
  readonly schemes: HttpClient
  readonly consoleApi: HttpClient
  /** The sender that the file's sources trust. */
  readonly trusted: SigningKey
  /** Of an ingress that takes 50 requests a second of each source, and 100 at once. */
  readonly limited: HttpClient
  readonly topics: TopicLog
  readonly rows: StoredRows
  readonly servers: Servers
  /** What the services are told of Kafka and of each other. */
  readonly settings: KafkaSettings
  readonly environment: ServiceEnvironment
  /** Of the run's own files. */
  readonly folders: Folders
  processOf(name: 'ingress' | 'dedup'): LocalProcess
  /** Starts one that only some rows need; it ends with the rig. */
  start(spec: ServiceSpec): Promise<LocalProcess>
  /** Starts one again that was killed. */
  restart(name: 'ingress' | 'dedup'): Promise<void>
  /** Text of every log of every process, by file. */
  logs(): ReadonlyMap<string, string>
  /** An `npm start` of its own; started by the first that asks. */
  localRun(): Promise<LocalRun>
  close(): Promise<void>
}

export interface RigOptions {
  readonly tier: Tier
  /** First of twelve ports to use; undefined: free ones. */
  readonly firstPort?: number
  readonly progress: (text: string) => void
}

const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
}

export const openRig = async ({ tier, firstPort, progress }: RigOptions): Promise<Rig> => {
  const under = `security-${process.pid}`
  const folders = foldersOf(weirHome(), under)
  mkdirSync(folders.state, { recursive: true })
  const ports =
    firstPort === undefined ? await freePorts(PORTS) : Array.from({ length: PORTS }, (_, i) => firstPort + i)
  const [kafka, kafkaController, registry, postgres, ...servicePorts] = ports as [
    number,
    number,
    number,
    number,
  ]
  const startedAt = performance.now()
  const servers = await startServers(folders, { kafka, kafkaController, registry, postgres }, tier)
  progress(`servers are ready after ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`)
  const settings: KafkaSettings = {
    kafkaBrokers: servers.kafkaBrokers.split(','),
    kafkaSsl: false,
    kafkaMechanism: 'plain',
    topicPrefix: `security-${randomBytes(4).toString('hex')}.`,
    topicPartitions: PARTITIONS,
    groupSessionMs: 6_000,
    transactionTimeoutMs: 10_000,
  }
  const secrets = freshSecrets()
  const trusted = freshSigningKey()
  const environment = sharedEnvironment(settings, servers, secrets)
  const specs = serviceSpecs({ environment, secrets, trusted, folders, ports: servicePorts, tier })
  const processes = new Map<string, LocalProcess>()
  const start = async (spec: ServiceSpec): Promise<LocalProcess> => {
    const started = await startServiceProcess(folders, spec)
    processes.set(spec.name, started)
    return started
  }
  let localRun: Promise<LocalRun> | undefined
  const stop = async (): Promise<void> => {
    await localRun?.then(
      (run) => run.stop(),
      () => undefined,
    )
    await Promise.all([...processes.values()].map((one) => one.stop()))
    await servers.stop()
    rmSync(join(weirHome(), under), { recursive: true, force: true })
  }
  try {
    await ensureTopics({
      settings,
      logger: silent,
      specs: TOPIC_SPECS,
      replicationFactor: 1,
      minInsyncReplicas: 1,
    })
    await Promise.all(specs.map(start))
  } catch (error) {
    await stop()
    throw error
  }
  progress(`services are ready after ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`)
  const portOf = (name: string): number => specs.find((spec) => spec.name === name)!.probePort
  const journal = new Journal()
  const schemes = new HttpClient(portOf('ingress-schemes'), journal)
  const consoleApi = new HttpClient(portOf('console'), journal)
  const topics = new TopicLog(settings)
  const ingress = new HttpClient(portOf('ingress'), journal)
  const cutOff = new HttpClient(portOf('ingress-cut-off'), journal)
  const limited = new HttpClient(portOf('ingress-limited'), journal)
  const rows = new StoredRows(servers.databaseUrl)
  return {
    tier,
    secrets,
    trusted,
    journal,
    ingress,
    cutOff,
    limited,
    schemes,
    consoleApi,
    topics,
    rows,
    servers,
    settings,
    environment,
    folders,
    sources: sourcesUnderTest(secrets),
    processOf: (name) => processes.get(name)!,
    restart: async (name) => {
      await start(specs.find((spec) => spec.name === name)!)
    },
    start,
    logs: () =>
      new Map(
        readdirSync(folders.logs).map((file) => [file, readFileSync(join(folders.logs, file), 'latin1')]),
      ),
    localRun: () => (localRun ??= startLocalRun(under)),
    close: async () => {
      ingress.close()
      cutOff.close()
      limited.close()
      schemes.close()
      consoleApi.close()
      await topics.close()
      await rows.close()
      await stop()
    },
  }
}

const SOURCES = `version: 1
sources:
  standard: { preset: standard-webhooks }
  stripe: { preset: stripe }
  slack: { preset: slack, requestBudgetMs: ${REQUEST_BUDGET_MS} }
  millis:
    preset: custom
    verifier: { content: '{timestamp}.{body}', timestamp: { header: x-timestamp, unit: ms } }
  ed: { preset: custom, verifier: { algorithm: ed25519, secretEncoding: hex } }
  keyless: { preset: github }
  batch: { preset: custom, unsigned: true, split: $, eventType: '{type}' }
  meta: { preset: meta }
  certified:
    preset: custom
    clientCertificate: { header: x-ssl-client-s-dn, form: subject, identities: ['CN=sender,O=Acme'] }
  graph: { preset: custom, unsigned: true, handshake: microsoft-graph }
  events: { preset: cloudevents, handshake: cloudevents, handshakeOrigins: [events.example.com] }
  crc:
    preset: custom
    handshake: twitter-crc
    verifier: { header: x-twitter-webhooks-signature, encoding: base64, prefix: sha256= }
`

interface SpecOptions {
  readonly environment: ServiceEnvironment
  readonly secrets: Secrets
  readonly trusted: SigningKey
  readonly folders: Folders
  readonly ports: readonly number[]
  readonly tier: Tier
}

const sharedEnvironment = (
  settings: KafkaSettings,
  servers: Servers,
  { bodyHashKey }: Secrets,
): ServiceEnvironment => ({
  WEIR_PROFILE: 'dev',
  LOG_LEVEL: 'debug',
  KAFKA_BROKERS: servers.kafkaBrokers,
  TOPIC_PREFIX: settings.topicPrefix,
  TOPIC_PARTITIONS: String(settings.topicPartitions),
  KAFKA_SESSION_TIMEOUT_MS: String(settings.groupSessionMs),
  BODY_HASH_KEY: bodyHashKey,
  ...(servers.registryUrl !== undefined && { SCHEMA_REGISTRY_URL: servers.registryUrl }),
  ...(servers.databaseUrl !== undefined && { DATABASE_URL: servers.databaseUrl }),
})

const serviceSpecs = ({
  environment: shared,
  secrets,
  trusted,
  folders,
  ports,
  tier,
}: SpecOptions): readonly ServiceSpec[] => {
  const ingress = (port: number, cxoneSecrets: readonly string[]): ServiceEnvironment => ({
    ...shared,
    INGRESS_HOST: '127.0.0.1',
    INGRESS_PORT: String(port),
    INGRESS_BODY_BYTES_MAX: String(BODY_BYTES_MAX),
    INGRESS_REQUEST_BUDGET_MS: String(REQUEST_BUDGET_MS),
    INGRESS_TRUSTED_PROXIES: PROXY_ADDRESS,
    SOURCE_CXONE_SECRETS: cxoneSecrets.join(','),
    SOURCE_CXONE_DATAACTION_SECRETS: secrets.dataAction,
    SOURCE_NICE_SECRETS: secrets.nice,
    SOURCE_COGNIGY_CIDRS: COGNIGY_ADDRESS,
    SOURCE_COGNIGY_TOKEN: secrets.cognigyToken,
  })
  const [
    ingressPort,
    cutOffPort,
    limitedPort,
    schemesPort,
    consolePort,
    dedupPort,
    normalizerPort,
    persistencePort,
  ] = ports as [...[number, number, number, number], ...[number, number, number, number]]
  const sourcesFile = join(folders.state, 'sources.yaml')
  writeFileSync(sourcesFile, SOURCES)
  const specs: ServiceSpec[] = [
    {
      name: 'ingress',
      service: 'ingress',
      probePort: ingressPort,
      until: '/readyz',
      env: ingress(ingressPort, [secrets.cxoneOld, secrets.cxoneNew]),
    },
    {
      name: 'ingress-cut-off',
      service: 'ingress',
      probePort: cutOffPort,
      until: '/livez',
      // Nobody listens on port 1.
      env: {
        ...ingress(cutOffPort, [secrets.cxoneNew]),
        KAFKA_BROKERS: '127.0.0.1:1',
        INGRESS_REQUEST_BUDGET_MS: String(CUT_OFF_BUDGET_MS),
      },
    },
    {
      name: 'ingress-limited',
      service: 'ingress',
      probePort: limitedPort,
      until: '/readyz',
      env: { ...ingress(limitedPort, [secrets.cxoneNew]), INGRESS_RATE_PER_SEC: String(RATE_PER_SEC) },
    },
    {
      // Never ready: one of its sources has no keys.
      name: 'ingress-schemes',
      service: 'ingress',
      probePort: schemesPort,
      until: '/livez',
      env: {
        ...shared,
        INGRESS_HOST: '127.0.0.1',
        INGRESS_PORT: String(schemesPort),
        SOURCES_FILE: sourcesFile,
        INGRESS_REQUEST_BUDGET_MS: String(REQUEST_BUDGET_MS),
        INGRESS_TRUSTED_PROXIES: PROXY_ADDRESS,
        SOURCE_STANDARD_SECRETS: `${secrets.standard},whpk_${trusted.publicBytes.toString('base64')}`,
        SOURCE_STRIPE_SECRETS: secrets.stripe,
        SOURCE_SLACK_SECRETS: secrets.slack,
        SOURCE_MILLIS_SECRETS: secrets.millis,
        SOURCE_ED_SECRETS: trusted.publicBytes.toString('hex'),
        SOURCE_META_SECRETS: secrets.stripe,
        SOURCE_META_VERIFY_TOKEN: secrets.consoleToken,
        SOURCE_CRC_SECRETS: secrets.slack,
        SOURCE_EVENTS_TOKEN: secrets.cognigyToken,
        SOURCE_KEYLESS_SECRETS_FILE: join(folders.state, 'no-such-file'),
      },
    },
    {
      name: 'console',
      service: 'console',
      probePort: consolePort,
      until: '/readyz',
      env: { ...shared, CONSOLE_PORT: String(consolePort), CONSOLE_TOKENS: secrets.consoleToken },
    },
    {
      name: 'dedup',
      service: 'dedup',
      probePort: dedupPort,
      until: '/readyz',
      env: {
        ...shared,
        DEDUP_PROBE_PORT: String(dedupPort),
        STATE_DIR: join(folders.state, 'dedup'),
        DEDUP_FILTER_CAPACITY: '16384',
      },
    },
  ]
  if (tier === 'short') return specs
  return [
    ...specs,
    {
      name: 'normalizer',
      service: 'normalizer',
      probePort: normalizerPort,
      until: '/readyz',
      env: { ...shared, NORMALIZER_PROBE_PORT: String(normalizerPort) },
    },
    {
      name: 'persistence',
      service: 'persistence',
      probePort: persistencePort,
      until: '/readyz',
      env: { ...shared, PERSISTENCE_PROBE_PORT: String(persistencePort) },
    },
  ]
}
