import type { TopicSpec } from '@weir/contracts'
import { isolatedKafka } from '@weir/testkit'
import kafkajs from 'kafkajs'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { checkInternalTopics } from './internal-topics.ts'
import { silentLogger } from '../client/silent-logger.ts'
import { createTopics, withAdmin } from '../testing/topics.ts'
import { checkTopics, ensureTopics } from './topics.ts'

const settings = isolatedKafka('topics', 2)
const spec = (name: string, more: Partial<TopicSpec> = {}): TopicSpec => ({
  role: 'received',
  key: 'k',
  cleanup: 'delete',
  retentionMs: 60_000,
  coPartitioned: true,
  name,
  ...more,
})
const compacted = { cleanup: 'compact', retentionMs: -1 } as const
const logger = silentLogger

const ensure = (specs: readonly TopicSpec[]) =>
  ensureTopics({ settings, logger, specs, replicationFactor: 1, minInsyncReplicas: 1 })
const check = (specs: readonly TopicSpec[], profile: 'production' | 'dev' = 'dev') =>
  checkTopics({ settings, logger, profile, specs })

let tests = 0
let name = ''
let topic = ''
beforeEach(() => {
  tests += 1
  name = `topic-${tests}`
  topic = `${settings.topicPrefix}${name}`
})

describe('ensureTopics', () => {
  it('creates topics that checkTopics accepts', async () => {
    const specs = [
      spec(name),
      spec(`${name}-state`, compacted),
      spec(`${name}-commands`, { coPartitioned: false }),
    ]
    await ensure(specs)
    expect(await check(specs)).toEqual([])
    const partitions = await withAdmin(settings, async (admin) => {
      const { topics } = await admin.fetchTopicMetadata({
        topics: specs.map((one) => settings.topicPrefix + one.name),
      })
      return topics.map((one) => one.partitions.length).sort()
    })
    expect(partitions).toEqual([1, 2, 2])
  })

  it('leaves existing topics unchanged and creates the missing ones', async () => {
    await createTopics(settings, [name], { 'retention.ms': '1234567' })
    await ensure([spec(name), spec(`${name}-new`)])
    const retention = await withAdmin(settings, async (admin) => {
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: ['retention.ms'] }],
      })
      return resources[0]!.configEntries[0]!.configValue
    })
    expect(retention).toBe('1234567')
    expect(await check([spec(`${name}-new`)])).toEqual([])
  })

  it('creates each topic once when several do it at the same time', async () => {
    await Promise.all([1, 2, 3].map(() => ensure([spec(name)])))
    expect(await check([spec(name)])).toEqual([])
  })
})

describe('checkTopics names the topic, the value and the fix', () => {
  it('of a topic that is missing', async () => {
    await ensure([spec(name)])
    expect(await check([spec(name), spec(`${name}-none`)])).toEqual([
      `topic ${topic}-none is missing: create the topics with \`weir topics\``,
    ])
    expect(await check([spec(`${name}-none`)])).toHaveLength(1)
  })

  it('of another partition count', async () => {
    await createTopics(settings, [name], { 'message.timestamp.type': 'LogAppendTime' }, 3)
    expect(await check([spec(name)])).toEqual([
      `topic ${topic} has 3 partitions and 2 are configured: set TOPIC_PARTITIONS=3; for more, stop every service and run \`weir dedup repartition\`: adding partitions alone would move keys away from their state`,
    ])
  })

  it('of a changelog topic that deletes records', async () => {
    await createTopics(settings, [name], {
      'cleanup.policy': 'compact,delete',
      'retention.ms': '1000',
      'message.timestamp.type': 'LogAppendTime',
    })
    expect(await check([spec(name, compacted)])).toEqual([
      `topic ${topic} has cleanup.policy=compact,delete: set cleanup.policy=compact`,
      `topic ${topic} has retention.ms=1000: set retention.ms=-1`,
    ])
  })

  it('of a topic without LogAppendTime', async () => {
    await createTopics(settings, [name], { 'message.timestamp.type': 'CreateTime' })
    expect(await check([spec(name)])).toEqual([
      `topic ${topic} has message.timestamp.type=CreateTime: set message.timestamp.type=LogAppendTime`,
    ])
  })

  it('of settings that only production requires', async () => {
    await createTopics(settings, [name], {
      'message.timestamp.type': 'LogAppendTime',
      'unclean.leader.election.enable': 'true',
    })
    expect(await check([spec(name)])).toEqual([])
    expect(await check([spec(name)], 'production')).toEqual([
      `topic ${topic} has replication factor 1: raise it to 3, or set WEIR_PROFILE=dev for a trial`,
      `topic ${topic} has min.insync.replicas=1: set it to 2`,
      `topic ${topic} has unclean.leader.election.enable=true: set unclean.leader.election.enable=false`,
    ])
  })
})

it("the brokers' own topics are refused in production with one replica, and a warning in a trial", async () => {
  const warn = vi.fn()
  const found = (profile: 'production' | 'dev') =>
    checkInternalTopics({ settings, logger: { ...logger, warn }, profile })
  const faults = await found('production')
  for (const name of ['__transaction_state', '__consumer_offsets']) {
    expect(faults.filter((fault) => fault.startsWith(`topic ${name} has`))).toEqual([
      expect.stringMatching(/has replication factor 1: .* raise it to 3/),
      expect.stringMatching(/has min\.insync\.replicas=1: .* set it to 2/),
    ])
  }
  expect(warn).not.toHaveBeenCalled()
  expect(await found('dev')).toEqual([])
  expect(warn).toHaveBeenCalledWith(
    { faults },
    'the loss of one broker can lose commits: use this cluster for trials only',
  )
})
