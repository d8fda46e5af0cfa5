import { existsSync, readdirSync, realpathSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { classData } from './class-data.ts'
import { ensureFolder, ensurePrivate, ROOT, type Folders } from '../folders.ts'
import { probeTcp } from '../processes/ports.ts'
import { runToEnd, startProcess, waitUntilReady } from '../processes/process.ts'
import { asServer, type LocalServer } from './server.ts'

const KAFKA_VERSION = '4.3.1'
const MAVEN_DEPENDENCY = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1'
/** Any 16 bytes in base64url will do; a data folder keeps the one it was formatted with. */
const CLUSTER_ID = 'd2Vpci1sb2NhbC1zdGFjaw'

/** Where Kafka’s jars are once they were fetched. */
export const kafkaJarsFolder = (folders: Folders): string => join(folders.downloads, `kafka-${KAFKA_VERSION}`)

export const isKafkaFetched = (folders: Folders): boolean => existsSync(kafkaJarsFolder(folders))

/** Apache Kafka's jars from Maven, about 54 MB. */
export const fetchKafka = (folders: Folders): Promise<void> =>
  ensureFolder(kafkaJarsFolder(folders), (temporary) =>
    runToEnd(folders.run, {
      name: 'fetch-kafka',
      command: 'mvn',
      args: [
        '-q',
        '-B',
        '-f',
        join(ROOT, 'tools/kafka/pom.xml'),
        `${MAVEN_DEPENDENCY}:copy-dependencies`,
        `-DoutputDirectory=${temporary}`,
        '-DincludeScope=runtime',
      ],
      inherits: true,
      logFile: join(folders.logs, 'fetch-kafka.log'),
    }),
  )

export interface KafkaOptions {
  readonly folders: Folders
  readonly java: string
  readonly port: number
  readonly controllerPort: number
  /** Distinguishes the brokers of one cluster: names the data folder and the log. */
  readonly nodeId?: number
  /** Every node of the cluster, this one included; each is broker and controller. Default: this one alone. */
  readonly voters?: readonly { readonly nodeId: number; readonly controllerPort: number }[]
  /** Most heap of the JVM, as `-Xmx` takes it. */
  readonly heapMax?: string
  /** How long its start may take, ms. */
  readonly readyMsMax?: number
  /** True: the JVM optimises for throughput, for a second more of CPU time at each start. For benchmarks. */
  readonly optimised?: boolean
  /** Further or other broker properties. */
  readonly properties?: Readonly<Record<string, string | number>>
  /** Further arguments of the format of its data folder, such as users. */
  readonly format?: readonly string[]
  /** Further options of the JVM, and environment of its process. */
  readonly jvm?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

const brokerProperties = (
  options: KafkaOptions,
  nodeId: number,
  dataDir: string,
): Record<string, string | number> => {
  const voters = options.voters ?? [{ nodeId, controllerPort: options.controllerPort }]
  const replicas = Math.min(3, voters.length)
  const isrMin = Math.max(1, replicas - 1)
  return {
    'process.roles': 'broker,controller',
    'node.id': nodeId,
    'controller.quorum.voters': voters.map((v) => `${v.nodeId}@127.0.0.1:${v.controllerPort}`).join(','),
    listeners: `PLAINTEXT://127.0.0.1:${options.port},CONTROLLER://127.0.0.1:${options.controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${options.port}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'log.dirs': dataDir,
    'auto.create.topics.enable': 'false',
    'group.initial.rebalance.delay.ms': 0,
    'default.replication.factor': replicas,
    'min.insync.replicas': isrMin,
    'offsets.topic.replication.factor': replicas,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': isrMin,
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': isrMin,
    'offsets.topic.num.partitions': 8,
    'transaction.state.log.num.partitions': 8,
    'share.coordinator.state.topic.num.partitions': 8,
    // A transaction of a killed producer is aborted within a second of its timeout, not of the default's ten.
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': 1000,
    'log.cleaner.dedupe.buffer.size': 2_097_152,
    'log.cleaner.backoff.ms': 500,
    ...options.properties,
  }
}

/** The first compiler alone: half the CPU time of a start, and no worse at the rates of one machine. */
const QUICK = '-XX:TieredStopAtLevel=1'

/** ApiVersions v0 with correlation id 1: the first request that any broker answers. */
const API_VERSIONS = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff])

/** One Kafka node, broker and controller in one; its data survives stop and kill. */
export const startKafka = async (options: KafkaOptions): Promise<LocalServer> => {
  const { folders, java, nodeId = 1, heapMax = '1g' } = options
  const name = nodeId === 1 ? 'kafka' : `kafka-${nodeId}`
  const dataDir = join(folders.state, name)
  ensurePrivate(folders.state)
  ensurePrivate(dataDir)
  const propertiesFile = join(folders.state, `${name}.properties`)
  const properties = Object.entries(brokerProperties(options, nodeId, dataDir))
  writeFileSync(propertiesFile, properties.map(([key, value]) => `${key}=${value}\n`).join(''))
  const jars = realpathSync(kafkaJarsFolder(folders))
  const classPath = readdirSync(jars)
    .filter((file) => file.endsWith('.jar'))
    .sort()
    .map((file) => join(jars, file))
  const jvm = [
    '-XX:+UseSerialGC',
    `-Dlog4j2.configurationFile=${join(ROOT, 'tools/kafka/log4j2.properties')}`,
    '-cp',
    classPath.join(':'),
  ]
  if (!existsSync(join(dataDir, 'meta.properties'))) {
    await runToEnd(folders.run, {
      name: `${name}-format`,
      command: java,
      args: [
        QUICK,
        ...jvm,
        'kafka.tools.StorageTool',
        'format',
        '--ignore-formatted',
        '-t',
        CLUSTER_ID,
        '-c',
        propertiesFile,
        ...(options.format ?? []),
      ],
      logFile: join(folders.logs, `${name}-format.log`),
    })
  }
  const classes = classData(folders, `kafka-${KAFKA_VERSION}`, java, classPath)
  const child = startProcess(folders.run, {
    name,
    command: java,
    ...(options.env && { env: options.env }),
    args: [
      '-Xms256m',
      `-Xmx${heapMax}`,
      ...(options.optimised ? [] : [QUICK]),
      ...classes.options,
      ...jvm,
      ...(options.jvm ?? []),
      'kafka.Kafka',
      propertiesFile,
    ],
    logFile: join(folders.logs, `${name}.log`),
    stopMsMax: classes.stopMsMax,
  })
  const isReady = () => probeTcp(options.port, API_VERSIONS, (answer) => answer.length > 0)
  void child.exited.then(classes.ended)
  await waitUntilReady(child, isReady, options.readyMsMax)
  return asServer(child, `127.0.0.1:${options.port}`)
}
