import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isolatedFolders, isolatedKafka, ownKafka, testServers } from '@weir/testkit'
import { expect, it, onTestFinished, vi } from 'vitest'
import { StateError } from '../client/errors.ts'
import { silentLogger } from '../client/silent-logger.ts'
import { openTopicTail } from './tail.ts'
import { numbersOn, NumberWriter, startCopyProcessor } from '../testing/copy-processor.ts'
import { createTopics, readAll } from '../testing/topics.ts'

const PATIENCE = { timeout: 40_000, interval: 100 }
const shared = isolatedKafka('damaged')
const DAMAGED =
  /0: what follows offset \d+ cannot be read: the batch at offset \d+ is damaged: it states CRC-32C/

/**
 * Changes a digit in the last value of the first segment of partition 0, as a bad disk may. All lengths stay the same.
 */
const damage = (stateDir: string, topic: string, value: string): void => {
  const file = join(stateDir, 'kafka', `${topic}-0`, '00000000000000000000.log')
  const bytes = readFileSync(file)
  bytes[bytes.lastIndexOf(value) + value.length - 1]! ^= 1
  writeFileSync(file, bytes)
}

it('a damaged batch stops only its partition, for processors, readers and tails', async ({ skip }) => {
  if (testServers().services.kind === 'containers') {
    process.stderr.write("A damaged log is not tested: the broker's files are in a container\n")
    return skip()
  }
  const folders = isolatedFolders('damaged')
  const kafka = await ownKafka(folders)
  onTestFinished(() => kafka.close())
  const settings = { ...shared, kafkaBrokers: [kafka.url] }
  const [input, output] = (await createTopics(settings, ['in', 'out'])) as [string, string]
  const writer = new NumberWriter(settings, input)
  await writer.write(10)
  // Then only partition 0 gets a batch, with record 102.
  await writer.write(91)
  await writer.write(2)
  await writer.close()
  damage(folders.state, input, '102')

  await expect(readAll(settings, input)).rejects.toThrow(StateError)
  await expect(readAll(settings, input)).rejects.toThrow(DAMAGED)

  const processor = await startCopyProcessor({ settings, inputs: [input], output })
  onTestFinished(() => processor.stop())
  await vi.waitFor(async () => {
    const numbers = await numbersOn(settings, output)
    expect(numbers.filter((number) => number % 2 === 1)).toHaveLength(51)
  }, PATIENCE)
  await vi.waitFor(
    () =>
      expect(processor.log.states.find(({ error }) => DAMAGED.test(error?.message ?? ''))?.partition).toBe(0),
    PATIENCE,
  )
  const copied = await numbersOn(settings, output)
  expect(copied).not.toContain(103)
  expect(copied.every((number) => number <= 102)).toBe(true)

  const error = vi.fn()
  const seen: string[] = []
  const tail = await openTopicTail({
    settings,
    clientId: 'weir-test',
    logger: { ...silentLogger, error },
    topics: [
      {
        topic: input,
        from: ({ start }) => start,
        onRecords: (records) => void seen.push(...records.map(({ value }) => value!.toString())),
      },
    ],
  })
  onTestFinished(() => tail.close())
  await vi.waitFor(
    () => expect(error).toHaveBeenCalledWith({ topic: input, partition: 0 }, expect.stringMatching(DAMAGED)),
    PATIENCE,
  )
  expect(tail.isCaughtUp).toBe(false)
  expect(new Set(seen).size).toBe(seen.length)
}, 90_000)
