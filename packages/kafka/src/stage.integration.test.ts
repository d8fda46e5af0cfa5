import { isolatedKafka } from '@weir/testkit'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { kafkaCluster } from './client.ts'
import { RetriableError, StateError } from './errors.ts'
import { openMaintenance } from './maintenance.ts'
import { committedOffsets, type CommittedOffset } from './offsets.ts'
import type { InputRecord } from './record.ts'
import { silentLogger } from './silent-logger.ts'
import {
  copies,
  numbersOn,
  numbersUpTo,
  NumberWriter,
  startCopyStage,
  type CopyOptions,
  type CopyStage,
} from './testing/copy-stage.ts'
import { createTopics, readAll, withAdmin } from './testing/topics.ts'

/** `startStage` on a real broker, with an owner that copies. */
const settings = isolatedKafka('stage')
const PATIENCE = { timeout: 20_000, interval: 50 }
let tests = 0
let [input, second, output] = ['', '', '']
let writer: NumberWriter
const stages: CopyStage[] = []

const start = async (options: Partial<CopyOptions> = {}): Promise<CopyStage> => {
  const stage = await startCopyStage({
    ...{ settings, inputs: [input], output, service: `copy-${tests}`, ...options },
  })
  stages.push(stage)
  return stage
}

/** Everything that was written is on the output once, in order. */
const copied = () =>
  vi.waitFor(
    async () =>
      expect(await numbersOn(settings, output)).toEqual(numbersUpTo(writer.count, settings.topicPartitions)),
    PATIENCE,
  )

const committed = async (partition: number): Promise<CommittedOffset | undefined> => {
  const cluster = kafkaCluster({ settings, logger: silentLogger, clientId: 'weir-test' })
  await cluster.connect()
  const offsets = await committedOffsets(cluster, `${settings.topicPrefix}copy-${tests}`, [input], partition)
  await cluster.disconnect()
  return offsets.get(input)
}

/** The message with which a partition is parked has this in it. */
const parked = (stage: CopyStage, partition: number, text: string) =>
  vi.waitFor(() => expect(stage.parked.get(partition)?.message).toContain(text), PATIENCE)

const deleteUpTo = (offset: string) =>
  withAdmin(settings, async (admin) => {
    await admin.fetchTopicOffsets(input)
    await admin.deleteTopicRecords({ topic: input, partitions: [{ partition: 0, offset }] })
  })

beforeEach(async () => {
  tests += 1
  const names = [`in-${tests}`, `second-${tests}`, `out-${tests}`]
  const topics = await createTopics(settings, names)
  input = topics[0]!
  second = topics[1]!
  output = topics[2]!
  writer = new NumberWriter(settings, input)
})

afterEach(async () => {
  await Promise.all(stages.splice(0).map((stage) => stage.stop()))
  await writer.close()
})

it('passes every step between the assignment and the first transaction, so that faults can be put there', async () => {
  await writer.write(100)
  const first = await start()
  await copied()
  await first.stop()
  await writer.write(100)
  const steps = new Set<string>()
  await start({ onStep: (step) => steps.add(step) })
  await copied()
  await vi.waitFor(() => expect(steps).toContain('committed'), PATIENCE)
  expect([...steps]).toEqual([
    ...['assigned', 'decision-read', 'shut-out', 'open-listed', 'fenced', 'offsets-read', 'restored'],
    ...['positioned', 'begin', 'part-sent', 'outputs-sent', 'offsets-sent', 'committed'],
  ])
})

describe('exactly once', () => {
  it('over restarts, each in the middle of the work', async () => {
    for (let i = 0; i < 4; i++) {
      await writer.write(300)
      const stage = await start()
      await vi.waitFor(() => expect(stage.log.commits.length).toBeGreaterThan(2), PATIENCE)
      await stage.stop()
      expect(stage.partitions.size).toBe(0)
    }
    await start()
    await copied()
  })

  it('with more outputs than one send takes, to several topics, and tells where they end', async () => {
    const other = (await createTopics(settings, [`other-${tests}`]))[0]!
    const written: ReadonlyMap<string, bigint>[] = []
    await writer.write(4)
    await start({
      sharedOutputs: [other],
      owner: (partition) => ({
        stage: async (batch) => ({
          outputs: [
            ...copies(batch, output),
            ...Array.from({ length: 2_500 }, (_, i) => ({
              ...{ topic: other, partition, key: Buffer.from('k'), headers: {} },
              value: Buffer.from(String(i)),
            })),
          ],
          committed: (offsets) => void written.push(offsets),
        }),
      }),
    })
    await copied()
    await vi.waitFor(() => expect(written).toHaveLength(2), PATIENCE)
    const all = await readAll(settings, other)
    expect(all).toHaveLength(5_000)
    for (const partition of [0, 1]) {
      const own = all.filter((record) => record.partition === partition)
      expect(own.map(({ value }) => Number(value!.toString()))).toEqual(
        Array.from({ length: 2_500 }, (_, i) => i),
      )
      const end = written.find((offsets) => offsets.has(`${other}/${partition}`))
      expect(end!.get(`${other}/${partition}`)).toBe(own.at(-1)!.offset + 1n)
    }
  })

  it('over members that come and go, moving no more than needed', async () => {
    const write = async () => {
      await writer.write(200)
    }
    await write()
    const first = await start()
    await vi.waitFor(() => expect([...first.partitions.keys()]).toEqual([0, 1]), PATIENCE)
    const other = await start()
    await write()
    await vi.waitFor(() => {
      expect(first.partitions.size).toBe(1)
      expect(other.readiness()).toEqual([])
      expect(other.partitions.size).toBe(1)
    }, PATIENCE)
    const kept = [...first.partitions.keys()][0]!
    await write()
    await copied()
    // What it kept it did not even restore.
    expect(first.entered('fencing', kept)).toBe(1)
    await other.stop()
    await write()
    await copied()
    expect(first.entered('fencing', kept)).toBe(1)
    expect([...first.partitions.keys()].sort()).toEqual([0, 1])
  })

  it('from two inputs, in turn', async () => {
    const more = new NumberWriter(settings, second)
    await Promise.all([writer.write(500), more.write(500)])
    const stage = await start({ inputs: [input, second] })
    await vi.waitFor(async () => expect(await numbersOn(settings, output)).toHaveLength(1_000), PATIENCE)
    const all = await numbersOn(settings, output)
    expect(all.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 1_000 }, (_, i) => i >> 1))
    expect(stage.entered('backing_off')).toBe(0)
    await more.close()
  })
})

describe('offsets', () => {
  it('that commit with the position of the state and differ from it park the partition, with both', async () => {
    await writer.write(20)
    const first = await start()
    await copied()
    await first.stop()
    const stage = await start({
      repair: (partition) => `Repair ${partition}.`,
      owner: (partition) => ({
        restore: () => Promise.resolve(new Map([[input, partition === 0 ? 3n : 10n]])),
      }),
    })
    await parked(
      stage,
      0,
      `${input}/0: the state is at offset 3 and the offset of group ${settings.topicPrefix}copy-${tests}, which commits ` +
        'with it, is 10: the state is not the latest, or the offset was changed. Repair 0.',
    )
    await writer.write(20)
    await vi.waitFor(async () => expect(await committed(1)).toMatchObject({ offset: 20n }), PATIENCE)
    expect(await committed(0)).toMatchObject({ offset: 10n })
    expect([...stage.parked.keys()]).toEqual([0])
    expect(stage.readiness()).toEqual([])
  })

  it('that are gone are no beginning: each partition is parked, and goes on from what is set', async () => {
    await writer.write(20)
    const first = await start()
    await copied()
    await first.stop()
    const group = `${settings.topicPrefix}copy-${tests}`
    await withAdmin(settings, (admin) => admin.deleteGroups([group]))
    const stage = await start()
    for (const partition of [0, 1]) {
      await parked(
        stage,
        partition,
        `\`weir offsets set --service copy-${tests} --topic ${input} --partition ${partition} --to <offset>\``,
      )
    }
    expect(stage.readiness()).toEqual(['partition 0 is parked', 'partition 1 is parked'])
    const maintenance = await openMaintenance({ settings, service: `copy-${tests}`, outputs: [] })
    for (const partition of [0, 1]) {
      const claim = await maintenance.claim(partition)
      await claim.commit([], { [input]: 10n })
      await claim.close()
    }
    await maintenance.close()
    expect(stage.resume(0)).toEqual([0])
    expect(stage.resume()).toContain(1)
    await writer.write(20)
    await copied()
    await vi.waitFor(() => expect(stage.readiness()).toEqual([]), PATIENCE)
    expect(stage.parked.size).toBe(0)
  })

  it('need nobody where nothing was read: a new stage, and an input that is added to an old one', async () => {
    const more = new NumberWriter(settings, second)
    await writer.write(20)
    const first = await start()
    await copied()
    await first.stop()
    await more.write(4)
    await start({ inputs: [input, second] })
    await vi.waitFor(async () => expect(await numbersOn(settings, output)).toHaveLength(24), PATIENCE)
    await more.close()
  })

  it('are committed after trailing control markers, also when nothing else comes', async () => {
    await writer.write(20)
    const first = await start()
    await copied()
    // The output of the first is the input of the second: records, then a marker for each transaction.
    const next = await start({ inputs: [output], output: second, service: `next-${tests}` })
    await vi.waitFor(async () => expect(await numbersOn(settings, second)).toHaveLength(20), PATIENCE)
    await vi.waitFor(async () => {
      const cluster = kafkaCluster({ settings, logger: silentLogger, clientId: 'weir-test' })
      await cluster.connect()
      const group = `${settings.topicPrefix}next-${tests}`
      const offsets = await committedOffsets(cluster, group, [output], 0)
      await cluster.disconnect()
      const ends = await withAdmin(settings, (admin) => admin.fetchTopicOffsets(output))
      const end = ends.find(({ partition }) => partition === 0)!.high
      expect(offsets.get(output)!.offset).toBe(BigInt(end))
    }, PATIENCE)
    expect(first.entered('backing_off') + next.entered('backing_off')).toBe(0)
  })

  it('carry the metadata on, over batches that say nothing and over restarts', async () => {
    let metadata: string | undefined = 'window 7'
    const restored: (string | undefined)[] = []
    const owner: CopyOptions['owner'] = () => ({
      restore: (state) => {
        restored.push(state.committed(input)?.metadata)
        return Promise.resolve(new Map())
      },
      stage: async (batch) => ({
        outputs: copies(batch, output),
        ...(metadata !== undefined && { offsetMetadata: metadata }),
      }),
    })
    await writer.write(2)
    const first = await start({ owner })
    await copied()
    metadata = undefined
    await writer.write(2)
    await copied()
    await first.stop()
    expect(await committed(0)).toEqual({ offset: 2n, metadata: 'window 7' })
    const again = await start({ owner })
    await vi.waitFor(() => expect(again.readiness()).toEqual([]), PATIENCE)
    expect(restored).toEqual([undefined, undefined, 'window 7', 'window 7'])
  })

  it('that the log does not have park the partition at the start', async () => {
    await writer.write(20)
    const first = await start()
    await copied()
    await first.stop()
    await writer.write(20)
    await deleteUpTo('15')
    const stage = await start()
    await parked(
      stage,
      0,
      `${input}/0: position 10 is not in the log (15 to 20). Look at \`weir offsets show`,
    )
    await vi.waitFor(async () => expect(await committed(1)).toMatchObject({ offset: 20n }), PATIENCE)
  })

  it('that the log loses while the partition is behind park it', async () => {
    const resumed = Promise.withResolvers<undefined>()
    await writer.write(12, 700_000)
    const stage = await start({
      batch: { recordsMax: 1, bytesMax: 1_000, lingerMs: 0 },
      owner: (partition, copying) => ({
        stage: async (batch) => {
          if (partition === 0) await resumed.promise
          return copying.stage(batch)
        },
      }),
    })
    // One record is with the owner and two fill the queue, so the others are not fetched.
    await vi.waitFor(() => expect(stage.log.commits.length).toBe(6), PATIENCE)
    await deleteUpTo('5')
    resumed.resolve(undefined)
    await parked(stage, 0, `${input}/0: the log does not have offset 3`)
    expect(await committed(0)).toMatchObject({ offset: 3n })
  })
})

describe('errors', () => {
  it('that are retriable make a partition wait with the same records, and the others go on', async () => {
    const seen: number[] = []
    let left = 3
    await writer.write(20)
    const stage = await start({
      owner: (partition, copying) => ({
        stage: (batch) => {
          if (partition === 1) return copying.stage(batch)
          seen.push(batch.records.length)
          left -= 1
          if (left >= 0) return Promise.reject(new RetriableError('the database is away'))
          return copying.stage(batch)
        },
      }),
    })
    await copied()
    expect(seen).toEqual([10, 10, 10, 10])
    expect(stage.entered('backing_off', 0)).toBe(3)
    expect(stage.entered('fencing', 0)).toBe(1)
    expect(stage.entered('backing_off', 1)).toBe(0)
    expect(stage.readiness()).toEqual([])
  })

  it('that nobody expected park the partition at its position, loudly; the others go on', async () => {
    let isPoisonous = true
    const isPoison = ({ value }: InputRecord) => value!.toString() === '6'
    const events: string[] = []
    await writer.write(20)
    const stage = await start({
      batch: { recordsMax: 2, bytesMax: 1_000, lingerMs: 0 },
      observer: { parked: ({ partition, error }) => void events.push(`${partition} ${error?.message}`) },
      owner: (_, copying) => ({
        stage: (batch) =>
          isPoisonous && batch.records.some(isPoison)
            ? Promise.reject(new TypeError('poison'))
            : copying.stage(batch),
      }),
    })
    await parked(stage, 0, 'poison')
    await vi.waitFor(
      async () =>
        expect(await numbersOn(settings, output)).toEqual([0, 2, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]),
      PATIENCE,
    )
    expect(await committed(0)).toMatchObject({ offset: 2n })
    expect(stage.readiness()).toEqual([])
    expect(stage.entered('fencing', 0)).toBe(1)
    expect(stage.resume(0)).toEqual([0])
    await vi.waitFor(() => expect(stage.entered('parked', 0)).toBe(2), PATIENCE)
    isPoisonous = false
    expect(stage.resume(0)).toEqual([0])
    await copied()
    expect(stage.resume()).toEqual([])
    expect(events).toEqual(['0 poison', '0 poison', '0 undefined'])
  })

  it('that pass are tried again by themselves', async () => {
    let failures = 2
    await writer.write(20)
    const stage = await start({
      parkedRetryMs: 50,
      owner: () => ({
        restore: () =>
          failures-- > 0 ? Promise.reject(new StateError('not repaired yet')) : Promise.resolve(new Map()),
      }),
    })
    await copied()
    expect(stage.entered('parked')).toBe(2)
    expect(stage.parked.size).toBe(0)
  })

  it('that nobody expected, in each partition again and again, end the stage; explained ones do not', async () => {
    await writer.write(2)
    const explained = await start({
      parkedRetryMs: 20,
      owner: () => ({ stage: () => Promise.reject(new StateError('a person must look')) }),
    })
    let hasFailed = false
    explained.failed.catch(() => (hasFailed = true))
    await vi.waitFor(() => expect(explained.entered('parked')).toBeGreaterThan(10), PATIENCE)
    expect(hasFailed).toBe(false)
    await explained.stop()
    const stage = await start({
      parkedRetryMs: 20,
      owner: () => ({ stage: () => Promise.reject(new TypeError('out of order')) }),
    })
    await expect(stage.failed).rejects.toThrow('no partition of this process can work')
  })

  it('of a record that the output never takes park the partition', async () => {
    const small = (await createTopics(settings, [`small-${tests}`], { 'max.message.bytes': '100' }))[0]!
    await writer.write(2)
    const stage = await start({
      sharedOutputs: [small],
      owner: (partition) => ({
        stage: async () => ({
          outputs: [
            { topic: small, partition, key: Buffer.from('k'), value: Buffer.alloc(500), headers: {} },
          ],
        }),
      }),
    })
    await parked(stage, 0, 'the transaction: MESSAGE_TOO_LARGE')
    expect(await committed(0)).toMatchObject({ offset: 0n })
  })

  it('while closing do not hide what went wrong before', async () => {
    await writer.write(2)
    const stage = await start({
      owner: () => ({
        stage: () => Promise.reject(new TypeError('poison')),
        close: () => Promise.reject(new Error('cannot close')),
      }),
    })
    await parked(stage, 0, 'poison')
  })
})

describe('topics', () => {
  it('that are missing are named', async () => {
    await expect(start({ inputs: [input, 'nowhere'] })).rejects.toThrow(
      /one of the topics .*nowhere.* does not exist: create the topics first/,
    )
  })

  it('with other partition counts than each other are refused', async () => {
    const three = (await createTopics(settings, [`three-${tests}`], {}, 3))[0]!
    await expect(start({ inputs: [input, three] })).rejects.toThrow(
      `topic ${three} has 3 partitions and 2 are configured`,
    )
  })

  it('that get more partitions meanwhile end the stage: keys move away from their state', async () => {
    const stage = await start({ topicCheckMs: 200 })
    await vi.waitFor(() => expect(stage.readiness()).toEqual([]), PATIENCE)
    await withAdmin(settings, (admin) =>
      admin.createPartitions({ topicPartitions: [{ topic: input, count: 3 }] }),
    )
    await expect(stage.failed).rejects.toThrow(`${input} has 3 partitions and 2 are configured`)
  })
})
