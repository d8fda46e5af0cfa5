import { join } from 'node:path'
import { freePorts, ROOT, runToEnd, type Folders } from '@weir/local-stack'
import { startServiceContainer } from './containers/service.ts'
import { insideOf, isolatedDatabase, isolatedFolders, isolatedKafka, testServers } from './environment.ts'
import { startService } from './services.ts'
import type { TestService } from './test-service.ts'

const SERVICES = ['ingress', 'dedup', 'normalizer', 'persistence'] as const

export interface DeploymentOptions {
  /** Letters, digits and dashes; topics, database and folders are named by it. */
  readonly name: string
  /** Settings of the services under test, secrets of sources among them. */
  readonly env: Readonly<Record<string, string>>
  /** Absolute paths of files that settings name; they are there under the same paths. */
  readonly files?: readonly string[]
  /** Default: what it takes from a webhook to a row. */
  readonly services?: readonly string[]
  /** Default: 2. */
  readonly partitions?: number
}

export interface TestDeployment {
  /** Of ingress, without a path. */
  readonly ingressUrl: string
  /** Of a database of its own, with the tables `events` and `interactions`. */
  readonly databaseUrl: string
  /** Log files of the services. */
  readonly logsDir: string
  /** Ends every service. */
  close(): Promise<void>
}

/**
 * Weir with settings of your own, on topics and in a database that nothing else uses. Resolves once every service is
 * ready.
 */
export const startDeployment = async (options: DeploymentOptions): Promise<TestDeployment> => {
  const { name, files = [], services = SERVICES, partitions = 2 } = options
  const folders = isolatedFolders(name)
  const databaseUrl = await isolatedDatabase(name)
  const { kafkaBrokers, topicPrefix } = isolatedKafka(name, partitions)
  const env = {
    WEIR_PROFILE: 'dev',
    KAFKA_BROKERS: kafkaBrokers.join(','),
    TOPIC_PREFIX: topicPrefix,
    TOPIC_PARTITIONS: String(partitions),
    TOPIC_REPLICATION_FACTOR: '1',
    TOPIC_MIN_INSYNC_REPLICAS: '1',
    SCHEMA_REGISTRY_URL: testServers().registryUrl,
    DATABASE_URL: databaseUrl,
    ...options.env,
  }
  await createTopics(folders, env)
  const ports = await freePorts(services.length)
  const started: TestService[] = []
  const close = async (): Promise<void> => {
    await Promise.all(started.map((service) => service.stop()))
  }
  try {
    await Promise.all(
      services.map(async (service, i) => {
        const state = service === 'dedup' ? { stateDir: join(folders.state, 'dedup') } : {}
        const one = await startService({ folders, name: service, port: ports[i]!, env, files, ...state })
        started.push(one)
        await one.untilReady()
      }),
    )
  } catch (error) {
    await close()
    throw error
  }
  const port = ports[services.indexOf('ingress')]
  return { ingressUrl: `http://127.0.0.1:${port ?? 0}`, databaseUrl, logsDir: folders.logs, close }
}

const createTopics = async (folders: Folders, env: Readonly<Record<string, string>>): Promise<void> => {
  const { services } = testServers()
  const logFile = join(folders.logs, 'topics.log')
  if (services.kind === 'processes') {
    const args = [join(ROOT, 'cli/src/main.ts'), 'topics']
    await runToEnd(folders.run, { name: 'topics', command: process.execPath, args, env, logFile })
    return
  }
  const [port] = await freePorts(1)
  const job = await startServiceContainer({
    image: services.image,
    network: services.network,
    name: 'topics',
    title: 'topics',
    port: port!,
    env: Object.fromEntries(Object.entries(env).map(([key, value]) => [key, insideOf(value)])),
    files: [],
    logFile,
  })
  const { code } = await job.exited
  await job.kill()
  if (code !== 0) throw new Error(`weir topics has ended with ${code ?? '?'}; its log is ${logFile}`)
}
