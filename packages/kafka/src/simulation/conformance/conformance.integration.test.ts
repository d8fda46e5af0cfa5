import { setImmediate as turn } from 'node:timers/promises'
import { isolatedFolders, isolatedKafka, ownKafka, ownServersMissing, type OwnServer } from '@weir/testkit'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { kafkaCluster } from '../../client/kafka-client.ts'
import { disconnectNow } from '../../client/kafkajs-internals.ts'
import { silentLogger } from '../../client/silent-logger.ts'
import { FakeGroup } from '../../testing/fake-group.ts'
import { createTopics } from '../../testing/topics.ts'
import { PARTITIONS, runScript, type Step } from './conformance.ts'
import { randomScript, SCRIPTS } from './conformance-scripts.ts'
import {
  groupUnderTest,
  GROUP_SCRIPTS,
  randomGroupScript,
  runGroupScript,
  settleReally,
  type GroupStep,
  type GroupUnderTest,
} from './group-conformance.ts'
import { modelUnderTest } from './model-under-test.ts'
import { realBroker } from './real-broker.ts'

const shared = isolatedKafka('conformance')
let kafka: OwnServer | undefined

beforeAll(async () => {
  if ((await ownServersMissing()) === undefined) kafka = await ownKafka(isolatedFolders('conformance'))
})

afterAll(() => kafka?.close())

let tests = 0

/** Runs on its own broker, which leads all partitions. The first group's offsets are alone in their partition. */
const onRealBroker = async (script: readonly Step[]): Promise<string[]> => {
  const settings = { ...shared, kafkaBrokers: [kafka!.url], topicPrefix: `${shared.topicPrefix}${tests++}.` }
  const [topic] = (await createTopics(settings, ['out'], {}, PARTITIONS)) as [string]
  const cluster = kafkaCluster({ settings, logger: silentLogger, clientId: 'weir-conformance' })
  await cluster.connect()
  onTestFinished(() => cluster.disconnect())
  await cluster.addMultipleTargetTopics([topic])
  const groupId = `${settings.topicPrefix}group`
  await cluster.findGroupCoordinator({ groupId })
  const broker = await cluster.findGroupCoordinator({ groupId: `${groupId}-0`, coordinatorType: 1 })
  const options = { broker, topic, groupId, partitions: PARTITIONS, transactionalId: `${groupId}-0` }
  return runScript(realBroker({ ...options, offsetsPartitions: 8 }), script)
}

const compare = async (script: readonly Step[]): Promise<readonly string[]> => {
  const real = await onRealBroker(script)
  expect(await runScript(modelUnderTest(PARTITIONS), script)).toEqual(real)
  return real
}

it.each(SCRIPTS)('the model responds like a real broker: $name', async ({ script, contains }) => {
  if (isMissing()) return
  const answers = await compare(script)
  for (const line of contains) expect(answers).toContainEqual(line)
})

it.each(Array.from({ length: 12 }, (_, seed) => seed))('... random script %i', async (seed) => {
  if (!isMissing()) await compare(randomScript(seed))
})

/** Longer than any script, so no session ends within one. */
const GROUP_MS = 60_000
const MEMBERS = 2

/** Each member has its own connections, because a pending join blocks all other requests on one. */
const realGroup = async (): Promise<GroupUnderTest> => {
  const settings = { ...shared, kafkaBrokers: [kafka!.url], topicPrefix: `${shared.topicPrefix}${tests++}.` }
  const groupId = `${settings.topicPrefix}group`
  const brokers = await Promise.all(
    Array.from({ length: MEMBERS }, async () => {
      const cluster = kafkaCluster({ settings, logger: silentLogger, clientId: 'weir-conformance' })
      await cluster.connect()
      onTestFinished(() => disconnectNow(cluster))
      return cluster.findGroupCoordinator({ groupId })
    }),
  )
  const protocol = 'weir-sticky'
  return {
    join: (member, memberId, metadata) =>
      brokers[member]!.joinGroup({
        groupId,
        memberId,
        sessionTimeout: GROUP_MS,
        rebalanceTimeout: GROUP_MS,
        groupProtocols: [{ name: protocol, metadata }],
      }),
    sync: (member, own, groupAssignment) => brokers[member]!.syncGroup({ groupId, ...own, groupAssignment }),
    beat: (member, { memberId, generationId }) =>
      brokers[member]!.heartbeat({ groupId, memberId, groupGenerationId: generationId }),
    leave: (member, memberId) => brokers[member]!.leaveGroup({ groupId, memberId }),
  }
}

const compareGroup = async (script: readonly GroupStep[]): Promise<void> => {
  if (isMissing()) return
  const real = await runGroupScript(await realGroup(), script, settleReally)
  const model = groupUnderTest(new FakeGroup())
  expect(await runGroupScript(model, script, () => turn())).toEqual(real)
}

it.each(GROUP_SCRIPTS)('the model of the group responds like a real one: $name', ({ script }) =>
  compareGroup(script),
)

it.each(Array.from({ length: 8 }, (_, seed) => seed))('... random script %i of a group', (seed) =>
  compareGroup(randomGroupScript(seed)),
)

const isMissing = (): boolean => {
  if (kafka !== undefined) return false
  process.stderr.write('The model of the brokers is not compared with a real one: there is no Java 17\n')
  return true
}
