import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TOPIC_SPECS } from '@weir/contracts'
import { dedup } from '@weir/dedup'
import { ingress } from '@weir/ingress'
import { ensureTopics } from '@weir/kafka'
import type { Folders } from '@weir/local-stack'
import { metricExport } from '@weir/metric-export'
import { normalizer } from '@weir/normalizer'
import { persistence } from '@weir/persistence'
import {
  Closers,
  createLogger,
  Metrics,
  type Environment,
  type Service,
  type ServiceDefinition,
  type ServiceDeps,
} from '@weir/service-kit'
import { simulator, startSimulator, type SimulatorService } from '@weir/simulator'
import { loadTopicsConfig, serviceEnvironment, type StartConfig } from './config.ts'
import type { Servers } from './servers.ts'

const secret = (): string => randomBytes(32).toString('hex')

/** Made once and kept with the state: a new key would turn every repeat into a conflict. */
const localSecrets = (folders: Folders): Environment => {
  const file = join(folders.state, 'secrets.json')
  if (!existsSync(file)) {
    mkdirSync(folders.state, { recursive: true })
    const names = [
      'SOURCE_CXONE_SECRETS',
      'SOURCE_CXONE_DATAACTION_SECRETS',
      'SOURCE_NICE_SECRETS',
      'BODY_HASH_KEY',
    ]
    writeFileSync(file, JSON.stringify(Object.fromEntries(names.map((name) => [name, secret()]))), {
      mode: 0o600,
    })
  }
  return JSON.parse(readFileSync(file, 'utf8')) as Environment
}

/** The settings of a local run; whatever the caller's environment sets is taken instead. */
export const localEnvironment = (config: StartConfig, servers: Servers, folders: Folders): Environment =>
  serviceEnvironment({
    ...localSecrets(folders),
    WEIR_PROFILE: 'dev',
    KAFKA_BROKERS: servers.kafkaBrokers,
    SCHEMA_REGISTRY_URL: servers.registryUrl,
    DATABASE_URL: servers.databaseUrl,
    INFLUX_URL: servers.influx?.url,
    INFLUX_BUCKET: servers.influx?.bucket,
    METRIC_EXPORT_ENVIRONMENT: 'dev',
    TOPIC_PARTITIONS: '4',
    TOPIC_REPLICATION_FACTOR: '1',
    TOPIC_MIN_INSYNC_REPLICAS: '1',
    STATS_WINDOW_SECS: '10',
    STATE_DIR: join(folders.state, 'dedup'),
    TRUTH_DIR: join(folders.state, 'truth'),
    INGRESS_HOST: '127.0.0.1',
    SOURCE_COGNIGY_CIDRS: '127.0.0.1,::1',
    SIMULATOR_TARGET_URL: `http://127.0.0.1:${config.ingressPort}`,
  })

const depsOf = (name: string, folders: Folders): ServiceDeps => ({
  logger: createLogger(name, 'info', join(folders.logs, `${name}.log`)),
  metrics: new Metrics(name),
})

export interface RunningServices {
  /** Rejects when a service can no longer work. */
  readonly failed: Promise<never>
  readonly readiness: () => readonly string[]
  startSimulator(env: Environment): Promise<SimulatorService>
  stop(): Promise<void>
}

/** Every service in this process, as each would run alone. */
export const startServices = async (env: Environment, folders: Folders): Promise<RunningServices> => {
  const { replicationFactor, minInsyncReplicas, ...settings } = loadTopicsConfig(env)
  const { logger } = depsOf('topics', folders)
  await ensureTopics({ settings, logger, specs: TOPIC_SPECS, replicationFactor, minInsyncReplicas })
  const closers = new Closers()
  const failure = Promise.withResolvers<never>()
  failure.promise.catch(() => undefined)
  const running: Service[] = []
  const launch = async <C extends { readonly logLevel: string }>({
    name,
    loadConfig,
    start,
  }: ServiceDefinition<C>) => {
    const service = await start(loadConfig(env), depsOf(name, folders))
    service.failed.catch((error: unknown) => {
      failure.reject(new Error(`${name} failed: ${(error as Error).message}`, { cause: error }))
    })
    running.push(service)
    closers.add(() => service.stop())
  }
  try {
    // Ingress comes last and so stops first: nothing is taken that the others would leave for the next start.
    await Promise.all([launch(dedup), launch(normalizer), launch(persistence), launch(metricExport)])
    await launch(ingress)
  } catch (error) {
    await closers.close()
    throw error
  }
  return {
    failed: failure.promise,
    readiness: () => running.flatMap((service) => service.readiness()),
    startSimulator: async (simulatorEnv) => {
      const service = await startSimulator(simulator.loadConfig(simulatorEnv), depsOf('simulator', folders))
      closers.add(() => service.stop())
      return service
    },
    stop: () => closers.close(),
  }
}
