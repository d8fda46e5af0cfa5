import { isolatedKafka } from '@weir/testkit'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RetriableError, StateError } from '../client/errors.ts'
import type { InputRecord } from '../protocol/record.ts'
import { CopyRig, PATIENCE } from '../testing/copy-rig.ts'
import { numbersOn, type NumberWriter } from '../testing/copy-processor.ts'
import { withAdmin } from '../testing/topics.ts'

/** `startProcessor` with errors and with wrongly configured topics, on a real broker. */
const settings = isolatedKafka('processor-errors')
const rig = new CopyRig(settings)
let [input, output] = ['', '']
let writer: NumberWriter
beforeEach(async () => {
  await rig.open()
  ;({ input, output, writer } = rig)
})
afterEach(() => rig.close())

describe('errors', () => {
  it('that are retriable make a partition retry the same records while the others continue', async () => {
    const seen: number[] = []
    let left = 3
    await writer.write(20)
    const processor = await rig.start({
      task: (partition, copying) => ({
        process: (batch) => {
          if (partition === 1) return copying.process(batch)
          seen.push(batch.records.length)
          left -= 1
          if (left >= 0) return Promise.reject(new RetriableError('the database is away'))
          return copying.process(batch)
        },
      }),
    })
    await rig.copied()
    expect(seen).toEqual([10, 10, 10, 10])
    expect(processor.entered('backing_off', 0)).toBe(3)
    expect(processor.entered('fencing', 0)).toBe(1)
    expect(processor.entered('backing_off', 1)).toBe(0)
    expect(processor.readiness()).toEqual([])
  })

  it('that are unexpected park the partition at its position and log an error while the others continue', async () => {
    let isPoisonous = true
    const isPoison = ({ value }: InputRecord) => value!.toString() === '6'
    const events: string[] = []
    await writer.write(20)
    const processor = await rig.start({
      batch: { recordsMax: 2, bytesMax: 1_000, lingerMs: 0 },
      observer: { parked: ({ partition, error }) => void events.push(`${partition} ${error?.message}`) },
      task: (_, copying) => ({
        process: (batch) =>
          isPoisonous && batch.records.some(isPoison)
            ? Promise.reject(new TypeError('poison'))
            : copying.process(batch),
      }),
    })
    await rig.parked(processor, 0, 'poison')
    await vi.waitFor(
      async () =>
        expect(await numbersOn(settings, output)).toEqual([0, 2, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]),
      PATIENCE,
    )
    expect(await rig.committed(0)).toMatchObject({ offset: 2n })
    expect(processor.readiness()).toEqual([])
    expect(processor.entered('fencing', 0)).toBe(1)
    expect(processor.resume(0)).toEqual([0])
    await vi.waitFor(() => expect(processor.entered('parked', 0)).toBe(2), PATIENCE)
    isPoisonous = false
    expect(processor.resume(0)).toEqual([0])
    await rig.copied()
    expect(processor.resume()).toEqual([])
    expect(events).toEqual(['0 poison', '0 poison', '0 undefined'])
  })

  it('that pass are retried without an operator', async () => {
    let failures = 2
    await writer.write(20)
    const processor = await rig.start({
      parkedRetryMs: 50,
      task: () => ({
        restore: () =>
          failures-- > 0 ? Promise.reject(new StateError('not repaired yet')) : Promise.resolve(new Map()),
      }),
    })
    await rig.copied()
    expect(processor.entered('parked')).toBe(2)
    expect(processor.parked.size).toBe(0)
  })

  it('that are unexpected and repeat in every partition end the processor; explained ones do not', async () => {
    await writer.write(2)
    const explained = await rig.start({
      parkedRetryMs: 20,
      task: () => ({ process: () => Promise.reject(new StateError('a person must look')) }),
    })
    let hasFailed = false
    explained.failed.catch(() => (hasFailed = true))
    await vi.waitFor(() => expect(explained.entered('parked')).toBeGreaterThan(10), PATIENCE)
    expect(hasFailed).toBe(false)
    await explained.stop()
    const processor = await rig.start({
      parkedRetryMs: 20,
      task: () => ({ process: () => Promise.reject(new TypeError('out of order')) }),
    })
    await expect(processor.failed).rejects.toThrow('no partition of this process can work')
  })

  it('of a record that the output topic rejects park the partition', async () => {
    const small = await rig.createTopic('small', { 'max.message.bytes': '100' })
    await writer.write(2)
    const processor = await rig.start({
      sharedOutputs: [small],
      task: (partition) => ({
        process: async () => ({
          outputs: [
            { topic: small, partition, key: Buffer.from('k'), value: Buffer.alloc(500), headers: {} },
          ],
        }),
      }),
    })
    await rig.parked(processor, 0, 'the transaction: MESSAGE_TOO_LARGE')
    expect(await rig.committed(0)).toMatchObject({ offset: 0n })
  })

  it('while closing do not hide the earlier error', async () => {
    await writer.write(2)
    const processor = await rig.start({
      task: () => ({
        process: () => Promise.reject(new TypeError('poison')),
        close: () => Promise.reject(new Error('cannot close')),
      }),
    })
    await rig.parked(processor, 0, 'poison')
  })
})

describe('topics', () => {
  it('that are missing are named', async () => {
    await expect(rig.start({ inputs: [input, 'nowhere'] })).rejects.toThrow(
      /one of the topics .*nowhere.* does not exist: create the topics first/,
    )
  })

  it('with different partition counts are refused', async () => {
    const three = await rig.createTopic('three', {}, 3)
    await expect(rig.start({ inputs: [input, three] })).rejects.toThrow(
      `topic ${three} has 3 partitions and 2 are configured`,
    )
  })

  it('that get more partitions meanwhile end the processor, because keys move away from their state', async () => {
    const processor = await rig.start({ topicCheckMs: 200 })
    await vi.waitFor(() => expect(processor.readiness()).toEqual([]), PATIENCE)
    await withAdmin(settings, (admin) =>
      admin.createPartitions({ topicPartitions: [{ topic: input, count: 3 }] }),
    )
    await expect(processor.failed).rejects.toThrow(`${input} has 3 partitions and 2 are configured`)
  })
})
