import { join } from 'node:path'
import { LETTER_TOPICS, serviceFacts, TOPIC_SPECS, type TopicRole } from '@weir/contracts'
import { ensureTopics } from '@weir/kafka'
import { ensurePrivate, type Folders } from '@weir/local-stack'
import {
  Closers,
  createLogger,
  Metrics,
  type Environment,
  type Service,
  type ServiceDeps,
} from '@weir/runtime'
import { service as simulator, startSimulator, type SimulatorService } from '@weir/simulator'
import { ALL_SERVICES } from '../all-services.ts'
import { loadTopicsConfig, serviceEnvironment, type StartConfig } from '../config.ts'
import { localIdentity } from './local-state.ts'
import type { Servers } from './servers.ts'

/** The settings of a local run. The caller's environment overrides them. */
export const localEnvironment = (config: StartConfig, servers: Servers, folders: Folders): Environment => {
  const { id, secrets } = localIdentity(folders)
  const [stateDir, truthDir] = [join(folders.state, 'dedup'), join(folders.state, 'truth')]
  for (const folder of [stateDir, truthDir]) ensurePrivate(folder)
  return serviceEnvironment({
    ...secrets,
    WEIR_PROFILE: 'dev',
    KAFKA_BROKERS: servers.kafkaBrokers,
    // Objects of others on a shared cluster are not changed.
    TOPIC_PREFIX: config.kafkaBrokers === undefined ? undefined : `dev-${id}.`,
    SCHEMA_REGISTRY_URL: servers.registryUrl,
    DATABASE_URL: servers.databaseUrl,
    INFLUX_URL: servers.influx?.url,
    INFLUX_TOKEN: servers.influx?.token,
    INFLUX_BUCKET: servers.influx?.bucket,
    METRIC_EXPORT_ENVIRONMENT: config.influxUrl === undefined ? 'dev' : `dev-${id}`,
    TOPIC_PARTITIONS: '4',
    TOPIC_REPLICATION_FACTOR: '1',
    TOPIC_MIN_INSYNC_REPLICAS: '1',
    STATS_WINDOW_SECS: '10',
    STATE_DIR: stateDir,
    TRUTH_DIR: truthDir,
    INGRESS_HOST: '127.0.0.1',
    CONSOLE_HOST: '127.0.0.1',
    REPLAY_HOST: '127.0.0.1',
    PROBE_HOST: '127.0.0.1',
    SOURCE_COGNIGY_CIDRS: '127.0.0.1,::1',
    SIMULATOR_TARGET_URL: `http://127.0.0.1:${config.ingressPort}`,
  })
}

const depsOf = (name: string, folders: Folders, level: string): ServiceDeps => ({
  logger: createLogger(name, level, join(folders.logs, `${name}.log`)),
  metrics: new Metrics(name),
})

/**
 * Topics that the final check counts never expire here, or a state older than the retention would no longer add up.
 */
const LEDGER_ROLES = new Set<TopicRole>(['stats', ...LETTER_TOPICS])

export const createTopics = async (env: Environment, folders: Folders): Promise<void> => {
  const { replicationFactor, minInsyncReplicas, ...settings } = loadTopicsConfig(env)
  const { logger } = depsOf('topics', folders, settings.logLevel)
  const specs = TOPIC_SPECS.map((spec) => (LEDGER_ROLES.has(spec.role) ? { ...spec, retentionMs: -1 } : spec))
  await ensureTopics({ settings, logger, specs, replicationFactor, minInsyncReplicas })
}

export interface RunningServices {
  /** Rejects when a service can no longer work. */
  readonly failed: Promise<never>
  /** Reasons why services are not ready, by service. */
  readonly readiness: () => ReadonlyMap<string, readonly string[]>
  startSimulator(env: Environment): Promise<SimulatorService>
  stop(): Promise<void>
}

/** Runs every service in this process, as each would run alone. The topics must exist. */
export const startServices = async (
  env: Environment,
  folders: Folders,
  { databaseReaderUrl }: Pick<Servers, 'databaseReaderUrl'>,
): Promise<RunningServices> => {
  const closers = new Closers()
  const failure = Promise.withResolvers<never>()
  failure.promise.catch(() => undefined)
  const running = new Map<string, Service>()
  const launch = async ({ name, loadConfig, start }: (typeof ALL_SERVICES)[number]): Promise<void> => {
    const isReader = serviceFacts(name).database === 'reader'
    const config = loadConfig(isReader ? { ...env, DATABASE_URL: databaseReaderUrl } : env)
    const service = await start(config, depsOf(name, folders, config.logLevel))
    service.failed.catch((error: unknown) => {
      failure.reject(new Error(`${name} failed: ${(error as Error).message}`, { cause: error }))
    })
    running.set(name, service)
    closers.add(() => service.stop())
  }
  const ofKind = (...kinds: readonly string[]) =>
    ALL_SERVICES.filter(({ name }) => kinds.includes(serviceFacts(name).kind)).map(launch)
  try {
    // Ingress starts last and so stops first: it takes nothing that the others would leave for the next start.
    const starts = ofKind('processor', 'sink', 'api')
    const failed = (await Promise.allSettled(starts)).find(({ status }) => status === 'rejected')
    if (failed !== undefined) throw (failed as PromiseRejectedResult).reason
    await Promise.all(ofKind('intake'))
  } catch (error) {
    await closers.close()
    throw error
  }
  return {
    failed: failure.promise,
    readiness: () =>
      new Map(
        [...running]
          .map(([name, service]) => [name, service.readiness()] as const)
          .filter(([, reasons]) => reasons.length > 0),
      ),
    startSimulator: async (simulatorEnv) => {
      const config = simulator.loadConfig(simulatorEnv)
      const service = await startSimulator(config, depsOf('simulator', folders, config.logLevel))
      closers.add(() => service.stop())
      return service
    },
    stop: () => closers.close(),
  }
}
