import { isolatedKafka } from '@weir/testkit'
import kafkajs from 'kafkajs'
import { expect, it, onTestFinished, vi } from 'vitest'
import { kafkaClient } from '../client/kafka-client.ts'
import { StateError } from '../client/errors.ts'
import { silentLogger } from '../client/silent-logger.ts'
import { numbersOn, NumberWriter, startCopyProcessor } from '../testing/copy-processor.ts'
import { createTopics, readAll } from '../testing/topics.ts'

const PATIENCE = { timeout: 40_000, interval: 100 }
const settings = isolatedKafka('bomb', 2)
const TOO_LARGE =
  /0: what follows offset \d+ cannot be read: the batch of the offsets (\d+) to \1, of \d+ bytes, holds more than 16777216 bytes.*A batch that is too large/

it('a compressed bomb parks only its partition, after all records before it, in bounded memory', async () => {
  const [input, output] = (await createTopics(settings, ['in', 'out'])) as [string, string]
  const writer = new NumberWriter(settings, input)
  onTestFinished(() => writer.close())
  await writer.write(20)
  const producer = kafkaClient({ settings, logger: silentLogger, clientId: 'weir-test' }).producer()
  await producer.connect()
  onTestFinished(() => producer.disconnect())
  // 62 kB on the topic.
  const bomb = { partition: 0, key: 'bomb', value: Buffer.alloc(64_000_000) }
  await producer.send({ topic: input, compression: kafkajs.CompressionTypes.GZIP, messages: [bomb] })
  await writer.write(20)

  await expect(readAll(settings, input)).rejects.toThrow(StateError)
  const before = process.memoryUsage.rss()
  const processor = await startCopyProcessor({ settings, inputs: [input], output })
  onTestFinished(() => processor.stop())
  await vi.waitFor(
    () =>
      expect(processor.log.states.find(({ error }) => TOO_LARGE.test(error?.message ?? ''))?.partition).toBe(
        0,
      ),
    PATIENCE,
  )
  // 20 records of partition 1, and the 10 of partition 0 before the bomb.
  await vi.waitFor(async () => expect(await numbersOn(settings, output)).toHaveLength(30), PATIENCE)
  expect(process.memoryUsage.rss() - before).toBeLessThan(150_000_000)
}, 90_000)
