import { isolatedFolders, isolatedKafka, ownKafka, ownServersMissing, type OwnServer } from '@weir/testkit'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { kafkaCluster } from '../client.ts'
import { silentLogger } from '../silent-logger.ts'
import { createTopics } from '../testing/topics.ts'
import { PARTITIONS, runScript, type Step } from './conformance.ts'
import { randomScript, SCRIPTS } from './conformance-scripts.ts'
import { modelUnderTest } from './model-under-test.ts'
import { realBroker } from './real-broker.ts'

const shared = isolatedKafka('conformance')
let kafka: OwnServer | undefined

beforeAll(async () => {
  if ((await ownServersMissing()) === undefined) kafka = await ownKafka(isolatedFolders('conformance'))
})

afterAll(() => kafka?.close())

let tests = 0

/** On a broker of its own: it leads everything, and the first group's offsets are alone in their partition. */
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

it.each(SCRIPTS)('the model answers as a real broker: $name', async ({ script, contains }) => {
  if (isMissing()) return
  const answers = await compare(script)
  for (const line of contains) expect(answers).toContainEqual(line)
})

it.each(Array.from({ length: 12 }, (_, seed) => seed))('... random script %i', async (seed) => {
  if (!isMissing()) await compare(randomScript(seed))
})

const isMissing = (): boolean => {
  if (kafka !== undefined) return false
  process.stderr.write('The model of the brokers is not compared with a real one: there is no Java 17\n')
  return true
}
