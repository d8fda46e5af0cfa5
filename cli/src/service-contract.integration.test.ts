import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SERVICE_NAMES, TOPIC_SPECS, type ServiceName } from '@weir/contracts'
import { ensureTopics } from '@weir/kafka'
import { freePorts } from '@weir/local-stack'
import { createLogger } from '@weir/runtime'
import {
  isolatedDatabase,
  isolatedFolders,
  isolatedKafka,
  startService,
  testServers,
  type TestService,
} from '@weir/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const SECRET = 'a secret of the contract of services'
const TEST_MS_MAX = 240_000

const running = new Map<ServiceName, TestService>()
const ports = new Map<ServiceName, number>()

const ask = async (
  name: ServiceName,
  path: string,
): Promise<{ readonly status: number; readonly body: string }> => {
  const response = await fetch(`http://127.0.0.1:${ports.get(name)!}${path}`)
  return { status: response.status, body: await response.text() }
}

/** All services at once, on one broker: each is live from its start, and ready when the others feed it. */
beforeAll(async () => {
  const folders = isolatedFolders('contract')
  const settings = isolatedKafka('contract', 1)
  const { kafkaBrokers, topicPrefix } = settings
  const logger = createLogger('contract', 'silent')
  await ensureTopics({ settings, logger, specs: TOPIC_SPECS, replicationFactor: 1, minInsyncReplicas: 1 })
  const free = await freePorts(SERVICE_NAMES.length)
  SERVICE_NAMES.forEach((name, index) => ports.set(name, free[index]!))
  const env = {
    WEIR_PROFILE: 'dev',
    KAFKA_BROKERS: kafkaBrokers.join(','),
    TOPIC_PREFIX: topicPrefix,
    TOPIC_PARTITIONS: '1',
    SCHEMA_REGISTRY_URL: testServers().registryUrl,
    DATABASE_URL: await isolatedDatabase('contract'),
    SOURCE_CXONE_SECRETS: SECRET,
    SOURCE_CXONE_DATAACTION_SECRETS: SECRET,
    SOURCE_NICE_SECRETS: SECRET,
    SOURCE_COGNIGY_CIDRS: '127.0.0.1,::1',
    REPLAY_TOKENS: `tests:${SECRET}`,
    CONSOLE_TOKENS: SECRET,
    SIMULATOR_TARGET_URL: `http://127.0.0.1:${ports.get('ingress')!}`,
    SIMULATOR_RATE: '5',
    TRUTH_DIR: join(folders.state, 'truth'),
  }
  await Promise.all(
    SERVICE_NAMES.map(async (name) => {
      const stateDir = join(folders.state, name)
      const service = await startService({ folders, name, port: ports.get(name)!, env, stateDir })
      running.set(name, service)
    }),
  )
}, TEST_MS_MAX)
afterAll(() => Promise.all([...running.values()].map((service) => service.kill())), TEST_MS_MAX)

/** Names that are not of a service: of the process (prom-client), and of the schemas that normalizer watches. */
const OTHER_NAMES = /^(process|nodejs)_|^weir_schema_/

describe.each(SERVICE_NAMES)('%s', { timeout: TEST_MS_MAX }, (name) => {
  it('answers its probes, and nothing else without a token', async () => {
    await running.get(name)!.untilReady()
    expect(await ask(name, '/livez')).toMatchObject({ status: 200 })
    const { status, body } = await ask(name, '/readyz')
    expect([status, JSON.parse(body)]).toEqual([200, { status: 'ready' }])
    expect((await ask(name, '/no-such-path')).status).toBeGreaterThanOrEqual(400)
  })

  it('serves metrics that are named after it, each with a help text and its name as a label', async () => {
    const { status, body } = await ask(name, '/metrics')
    expect(status).toBe(200)
    const helps = new Map(
      [...body.matchAll(/^# HELP (\S+) (.*)$/gm)].map(([, metric, help]) => [metric!, help!]),
    )
    const own = [...helps.keys()].filter((metric) => !OTHER_NAMES.test(metric))
    const prefix = `weir_${name.replaceAll('-', '_')}_`
    expect(own.filter((metric) => !metric.startsWith(prefix))).toEqual([])
    expect(own.length).toBeGreaterThan(0)
    expect([...helps].filter(([, help]) => help === '')).toEqual([])
    const samples = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    expect(samples.filter((line) => !line.includes(`service="${name}"`))).toEqual([])
  })
})

describe('on SIGTERM', { timeout: TEST_MS_MAX }, () => {
  // Those that send stop before those that receive.
  it.each(SERVICE_NAMES.toReversed())('%s drains, closes its port and ends with code 0', async (name) => {
    const service = running.get(name)!
    await service.stop()
    expect((await service.exited).code).toBe(0)
    await expect(ask(name, '/livez')).rejects.toThrow()
    const lines = readFileSync(service.logFile, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as { readonly level: number; readonly msg: string })
    expect(lines.filter(({ msg }) => msg === 'stopping')).toHaveLength(1)
    expect(lines.filter(({ level }) => level >= 60)).toEqual([])
  })
})
