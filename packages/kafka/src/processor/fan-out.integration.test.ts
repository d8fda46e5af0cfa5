import { isolatedKafka } from '@weir/testkit'
import { expect, it, vi } from 'vitest'
import { RetriableError } from '../client/errors.ts'
import {
  numbersOn,
  numbersUpTo,
  NumberWriter,
  startCopyProcessor,
  type CopyProcessor,
} from '../testing/copy-processor.ts'
import { createTopics } from '../testing/topics.ts'
import type { Task } from './task.ts'

const settings = isolatedKafka('fan-out')
const PATIENCE = { timeout: 30_000, interval: 50 }
const QUEUES = ['analytics-queue', 'crm-sync-queue', 'notification-queue']
const COUNT = 400

it('S2-07 gives every event to each consumer, tries again what fails, and lets none wait for another', async () => {
  const [input, ...outputs] = (await createTopics(settings, ['in', ...QUEUES])) as [string, ...string[]]
  const writer = new NumberWriter(settings, input)
  await writer.write(COUNT)
  const all = numbersUpTo(COUNT, settings.topicPartitions)
  const copied = (queue: string) =>
    vi.waitFor(
      async () => expect(await numbersOn(settings, outputs[QUEUES.indexOf(queue)]!)).toEqual(all),
      PATIENCE,
    )
  let isAway = true
  const processors = new Map<string, CopyProcessor>()
  for (const [index, service] of QUEUES.entries()) {
    const task = (_: number, copying: Task): Partial<Task> => ({
      process: (batch) =>
        isAway ? Promise.reject(new RetriableError('the CRM does not answer')) : copying.process(batch),
    })
    const options = { settings, inputs: [input], output: outputs[index]!, service }
    processors.set(
      service,
      await startCopyProcessor(service === 'crm-sync-queue' ? { ...options, task } : options),
    )
  }
  try {
    await Promise.all([copied('analytics-queue'), copied('notification-queue')])
    const crm = processors.get('crm-sync-queue')!
    await vi.waitFor(() => expect(crm.entered('backing_off', 0)).toBeGreaterThan(3), PATIENCE)
    expect(await numbersOn(settings, outputs[1]!)).toEqual([])
    isAway = false
    await copied('crm-sync-queue')
  } finally {
    await Promise.all([...processors.values()].map((processor) => processor.stop()))
    await writer.close()
  }
}, 90_000)
