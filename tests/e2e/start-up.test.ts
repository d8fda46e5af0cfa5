import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { KAFKA_SERVICES, TOPIC_SPECS } from '@weir/contracts'
import { ensureTopics } from '@weir/kafka'
import { freePorts } from '@weir/local-stack'
import { createLogger } from '@weir/runtime'
import {
  isolatedFolders,
  isolatedKafka,
  ownKafka,
  ownServersMissing,
  startService,
  testServers,
} from '@weir/testkit'
import { expect, it, onTestFinished } from 'vitest'

const LINES = 3
/** A line is due every 10 s, and looked for after a pause of up to 5 s and an attempt to connect. */
const GAP_MS_MAX = 20_000

const textOf = (file: string): string => readFileSync(file, 'utf8')

it.each(KAFKA_SERVICES)(
  '%s ends at once with exit code 2 and names each setting that it lacks or cannot use',
  async (name) => {
    const [port] = await freePorts(1)
    const service = await startService({
      folders: isolatedFolders('start-up'),
      name,
      port: port!,
      env: { WEIR_PROFILE: 'nonsense', LOG_LEVEL: 'loud' },
    })
    expect((await service.exited).code).toBe(2)
    await service.kill()
    await expect.poll(() => textOf(service.logFile)).toContain('LOG_LEVEL')
    const text = textOf(service.logFile)
    expect(text.match(/the configuration cannot be used/g)).toHaveLength(1)
    for (const setting of ['KAFKA_BROKERS', 'WEIR_PROFILE']) expect(text).toContain(setting)
    expect(text).not.toMatch(/^ +at /m)
  },
)

it('waits for Kafka with a line every 10 s and without ending, and is ready once Kafka is there', async ({
  skip,
}) => {
  const missing = await ownServersMissing()
  if (missing !== undefined) {
    process.stderr.write(`Waiting for Kafka is not tested: ${missing}\n`)
    return skip()
  }
  const folders = isolatedFolders('waiting')
  const kafka = await ownKafka(folders)
  onTestFinished(() => kafka.close())
  const settings = { ...isolatedKafka('waiting'), kafkaBrokers: [kafka.url] }
  const logger = createLogger('e2e', 'silent')
  await ensureTopics({ settings, logger, specs: TOPIC_SPECS, replicationFactor: 1, minInsyncReplicas: 1 })
  await kafka.stop()

  const { registryUrl, databaseUrl } = testServers()
  const names = ['ingress', 'dedup', 'normalizer', 'persistence'] as const
  const ports = await freePorts(names.length)
  const env = {
    WEIR_PROFILE: 'dev',
    KAFKA_BROKERS: kafka.url,
    TOPIC_PREFIX: settings.topicPrefix,
    TOPIC_PARTITIONS: String(settings.topicPartitions),
    SOURCE_NICE_SECRETS: 'a secret of sixteen',
    SCHEMA_REGISTRY_URL: registryUrl,
    DATABASE_URL: databaseUrl,
  }
  const stateDir = join(folders.state, 'dedup')
  const services = await Promise.all(
    names.map((name, i) =>
      startService({ folders, name, port: ports[i]!, env, ...(name === 'dedup' && { stateDir }) }),
    ),
  )
  onTestFinished(async () => {
    await Promise.all(services.map((service) => service.kill()))
  })
  const waits = (file: string): readonly number[] =>
    textOf(file)
      .split('\n')
      .filter((line) => line.includes('waiting for Kafka'))
      .map((line) => (JSON.parse(line) as { readonly time: number | string }).time)
      .map((time) => new Date(time).getTime())
  for (const service of services) {
    const { name, logFile } = service
    await expect.poll(() => waits(logFile).length, { timeout: 90_000 }).toBeGreaterThanOrEqual(LINES)
    const times = waits(logFile)
    const gaps = times.slice(1).map((time, i) => time - times[i]!)
    expect(Math.max(...gaps), name).toBeLessThan(GAP_MS_MAX)
    expect(Math.min(...gaps), name).toBeGreaterThan(5_000)
    expect(service.exit(), name).toBeUndefined()
  }
  const answers = await Promise.all(ports.map((port) => fetch(`http://127.0.0.1:${port}/readyz`)))
  expect(answers.map(({ status }) => status)).toEqual(names.map(() => 503))

  await kafka.start()
  await Promise.all(services.map((service) => service.untilReady()))
})
