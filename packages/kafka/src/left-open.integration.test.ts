import { isolatedFolders, isolatedKafka, ownKafka, ownServersMissing, type OwnServer } from '@weir/testkit'
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest'
import { kafkaClient } from './client.ts'
import { silentLogger } from './silent-logger.ts'
import { numbersOn, numbersUpTo, NumberWriter, startCopyStage } from './testing/copy-stage.ts'
import { createTopics, readAll } from './testing/topics.ts'
import { explicitPartition } from './transaction-client.ts'

const PATIENCE = { timeout: 40_000, interval: 100 }
const shared = isolatedKafka('unended')
let kafka: OwnServer | undefined

beforeAll(async () => {
  if ((await ownServersMissing()) === undefined) kafka = await ownKafka(isolatedFolders('unended'))
})

afterAll(() => kafka?.close())

/** Writes to partition 0 in the transactional id of the stage's partition 0, and leaves it open. */
const leaveOpen = async (settings: typeof shared, topic: string): Promise<void> => {
  const producer = kafkaClient({ settings, logger: silentLogger, clientId: 'weir-test' }).producer({
    transactionalId: `${settings.topicPrefix}copy-0`,
    ...{ transactionTimeout: 1_000, createPartitioner: () => explicitPartition },
  })
  await producer.connect()
  const transaction = await producer.transaction()
  await transaction.send({ topic, acks: -1, messages: [{ key: 'k', value: '1000', partition: 0 }] })
  onTestFinished(() => producer.disconnect())
}

it('are aborted where all replicas were killed and the coordinator has forgotten to', async ({ skip }) => {
  if (kafka === undefined) {
    process.stderr.write('Transactions that end nowhere are not tested: there is no Java 17\n')
    return skip()
  }
  const settings = { ...shared, kafkaBrokers: [kafka.url] }
  const [input, output] = (await createTopics(settings, ['in', 'out'])) as [string, string]
  const writer = new NumberWriter(settings, input)
  await writer.write(10)
  await writer.close()
  await leaveOpen(settings, output)
  await kafka.kill()
  await kafka.start()

  const warn = vi.fn()
  const logger = { ...silentLogger, warn }
  const stage = await startCopyStage({ settings, inputs: [input], output, logger })
  onTestFinished(() => stage.stop())
  await vi.waitFor(
    async () => expect(await numbersOn(settings, output)).toEqual(numbersUpTo(10, settings.topicPartitions)),
    PATIENCE,
  )
  // Not vacuous: the broker did forget it.
  expect(warn).toHaveBeenCalledWith(
    expect.objectContaining({ topic: output, partition: 0, offset: '0', outcome: 'abort' }),
    'a transaction that the brokers had not ended was ended',
  )
  expect((await readAll(settings, output)).map(({ value }) => value!.toString())).not.toContain('1000')
})
