import { isolatedFolders, isolatedKafka, ownKafka, ownServersMissing, type OwnServer } from '@weir/testkit'
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest'
import { silentLogger } from '../client/silent-logger.ts'
import { numbersOn, numbersUpTo, NumberWriter, startCopyProcessor } from '../testing/copy-processor.ts'
import { createTopics } from '../testing/topics.ts'
import { dropVerification, transactionsOn } from '../testing/unverified.ts'

const PATIENCE = { timeout: 40_000, interval: 100 }
const shared = isolatedKafka('unended')
let kafka: OwnServer | undefined
let settings = shared

beforeAll(async () => {
  if ((await ownServersMissing()) !== undefined) return
  kafka = await ownKafka(isolatedFolders('unended'))
  settings = { ...shared, kafkaBrokers: [kafka.url] }
  await dropVerification(settings)
})

afterAll(() => kafka?.close())

/**
 * Writes to partitions 0 and 1 with the transactional id of the processor's partition 0. The coordinator does not know
 * of partition 0 and writes no marker there, as after an outage of all its replicas.
 */
const leaveOpen = async (topic: string, service: string) => {
  const groupId = `${settings.topicPrefix}${service}`
  const broker = await transactionsOn(settings, { topic, groupId, transactionalId: `${groupId}-0` })
  const given = await broker.init(60_000)
  if (!('value' in given)) throw new Error(`no epoch: ${given.error}`)
  const own = given.value
  for (const answer of [
    await broker.add(own, 1),
    await broker.produce(own, 1, '1001'),
    await broker.produce(own, 0, '1000'),
  ]) {
    expect(answer).not.toHaveProperty('error')
  }
  return { broker, own }
}

it.each([
  ['aborted', 'abort', []],
  ['committed', 'commit', [1000, 1001]],
] as const)('what brokers have left open is %s as it was decided', async (name, outcome, left) => {
  if (kafka === undefined) {
    process.stderr.write('Transactions that end nowhere are not tested: there is no Java 17\n')
    return
  }
  const [input, output] = (await createTopics(settings, [`in-${name}`, `out-${name}`])) as [string, string]
  const writer = new NumberWriter(settings, input)
  await writer.write(10)
  await writer.close()
  const service = `copy-${name}`
  const { broker, own } = await leaveOpen(output, service)
  // The successor's fence aborts a transaction that was not ended.
  if (outcome === 'commit') {
    expect(await broker.end(own, outcome)).not.toHaveProperty('error')
    await broker.rest(false)
  }

  const warn = vi.fn()
  const logger = { ...silentLogger, warn }
  const processor = await startCopyProcessor({ settings, service, inputs: [input], output, logger })
  onTestFinished(() => processor.stop())
  const byNumber = (a: number, b: number): number => a - b
  const expected = [...numbersUpTo(10, settings.topicPartitions), ...left].sort(byNumber)
  await vi.waitFor(
    async () => expect((await numbersOn(settings, output)).sort(byNumber)).toEqual(expected),
    PATIENCE,
  )
  expect(warn).toHaveBeenCalledWith(
    expect.objectContaining({ topic: output, partition: 0, offset: '0', outcome }),
    'a transaction that the brokers had not ended was ended',
  )
})
