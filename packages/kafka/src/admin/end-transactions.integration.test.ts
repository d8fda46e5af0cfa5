import { isolatedFolders, isolatedKafka, ownKafka, ownServersMissing, type OwnServer } from '@weir/testkit'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { kafkaClient } from '../client/kafka-client.ts'
import { systemClock } from '../client/clock.ts'
import { endTransactions } from './end-transactions.ts'
import { silentLogger } from '../client/silent-logger.ts'
import { createTopics, readAll } from '../testing/topics.ts'
import { dropVerification, transactionsOn } from '../testing/unverified.ts'
import { kafkaTransactions } from '../transactions/transaction-client.ts'
import { TransactionalProducer } from '../transactions/transactional-producer.ts'

const shared = isolatedKafka('end')
let kafka: OwnServer | undefined
let settings = shared

beforeAll(async () => {
  if ((await ownServersMissing()) !== undefined) return
  kafka = await ownKafka(isolatedFolders('end'))
  settings = { ...shared, kafkaBrokers: [kafka.url] }
  await dropVerification(settings)
})

afterAll(() => kafka?.close())

/** Opens a transaction that is never ended, three epochs before the last, so that its outcome is unknown. */
const hang = async (
  transactionalId: string,
  groupId: string,
  topic: string,
  value: string,
): Promise<void> => {
  const broker = await transactionsOn(settings, { topic, groupId, transactionalId })
  const given = await broker.init(10_000)
  if (!('value' in given)) throw new Error(`no epoch: ${given.error}`)
  expect(await broker.produce(given.value, 0, value)).toEqual({ value: 0 })
  for (let i = 0; i < 3; i++) await broker.init(10_000)
}

it.each([
  ['commit', ['hung']],
  ['abort', []],
] as const)(
  'an operator ends a transaction of unknown outcome as %s, and the partition continues',
  async (decision, readable) => {
    if (kafka === undefined) {
      process.stderr.write('What an operator decides is not tested: there is no Java 17\n')
      return
    }
    const [topic] = (await createTopics(settings, [`out-${decision}`], {}, 1)) as [string]
    const groupId = `${settings.topicPrefix}${decision}`
    const transactionalId = `${groupId}-0`
    await hang(transactionalId, groupId, topic, 'hung')

    const producer = new TransactionalProducer({
      openClient: kafkaTransactions(kafkaClient({ settings, logger: silentLogger, clientId: 'weir-test' })),
      transactionalId,
      clock: systemClock,
      logger: silentLogger,
      transactionTimeoutMs: settings.transactionTimeoutMs,
      places: { groupId, partition: 0, own: [topic], shared: [] },
    })
    onTestFinished(() => producer.close())
    await expect(producer.fence()).rejects.toThrow(
      `never ended on ${topic}/0 from offset 0 (epoch 0). Whether they were committed or aborted cannot be told`,
    )

    const end = () => endTransactions({ settings, transactionalId, decision, topics: [topic] })
    expect(await end()).toMatchObject([{ open: { topic, partition: 0, from: 0n }, outcome: decision }])
    expect(await end()).toEqual([])
    await producer.fence()
    const record = { topic, partition: 0, key: Buffer.from('k'), value: Buffer.from('next'), headers: {} }
    await producer.commit([record], [])
    const values = (await readAll(settings, topic)).map(({ value }) => value!.toString())
    expect(values).toEqual([...readable, 'next'])
  },
)
