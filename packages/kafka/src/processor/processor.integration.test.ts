import { isolatedKafka } from '@weir/testkit'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { openMaintenance } from '../admin/maintenance.ts'
import { CopyRig, PATIENCE } from '../testing/copy-rig.ts'
import { copies, numbersOn, NumberWriter, type CopyOptions } from '../testing/copy-processor.ts'
import { readAll, withAdmin } from '../testing/topics.ts'

/** `startProcessor` on a real broker, with a task that copies. See also processor-errors.integration.test.ts. */
const settings = isolatedKafka('stage')
const rig = new CopyRig(settings)
let [input, second, output] = ['', '', '']
let writer: NumberWriter
beforeEach(async () => {
  await rig.open()
  ;({ input, second, output, writer } = rig)
})
afterEach(() => rig.close())

const deleteUpTo = (offset: string) =>
  withAdmin(settings, async (admin) => {
    await admin.fetchTopicOffsets(input)
    await admin.deleteTopicRecords({ topic: input, partitions: [{ partition: 0, offset }] })
  })

it('reports every step between the assignment and the first transaction, so that faults can be injected there', async () => {
  await writer.write(100)
  const first = await rig.start()
  await rig.copied()
  await first.stop()
  await writer.write(100)
  const steps = new Set<string>()
  await rig.start({ onStep: (step) => steps.add(step) })
  await rig.copied()
  await vi.waitFor(() => expect(steps).toContain('committed'), PATIENCE)
  expect([...steps]).toEqual([
    'assigned',
    'decision-read',
    'shut-out',
    'open-listed',
    'fenced',
    'offsets-read',
    'restored',
    'positioned',
    'begin',
    'part-sent',
    'outputs-sent',
    'offsets-sent',
    'committed',
  ])
})

describe('exactly once', () => {
  it('over restarts in the middle of a batch', async () => {
    for (let i = 0; i < 4; i++) {
      await writer.write(300)
      const processor = await rig.start()
      await vi.waitFor(() => expect(processor.log.commits.length).toBeGreaterThan(2), PATIENCE)
      await processor.stop()
      expect(processor.partitions.size).toBe(0)
    }
    await rig.start()
    await rig.copied()
  })

  it('with more outputs than fit in one send, to several topics, and reports their end offsets', async () => {
    const other = await rig.createTopic('other')
    const written: ReadonlyMap<string, bigint>[] = []
    await writer.write(4)
    await rig.start({
      sharedOutputs: [other],
      task: (partition) => ({
        process: async (batch) => ({
          outputs: [
            ...copies(batch, output),
            ...Array.from({ length: 2_500 }, (_, i) => ({
              topic: other,
              partition,
              key: Buffer.from('k'),
              headers: {},
              value: Buffer.from(String(i)),
            })),
          ],
          committed: (offsets) => void written.push(offsets),
        }),
      }),
    })
    await rig.copied()
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

  it('while members join and leave, moving only the necessary partitions', async () => {
    const write = async () => {
      await writer.write(200)
    }
    await write()
    const first = await rig.start()
    await vi.waitFor(() => expect([...first.partitions.keys()]).toEqual([0, 1]), PATIENCE)
    const other = await rig.start()
    await write()
    await vi.waitFor(() => {
      expect(first.partitions.size).toBe(1)
      expect(other.readiness()).toEqual([])
      expect(other.partitions.size).toBe(1)
    }, PATIENCE)
    const kept = [...first.partitions.keys()][0]!
    await write()
    await rig.copied()
    // It did not even restore the partitions that it kept.
    expect(first.entered('fencing', kept)).toBe(1)
    await other.stop()
    await write()
    await rig.copied()
    expect(first.entered('fencing', kept)).toBe(1)
    expect([...first.partitions.keys()].sort()).toEqual([0, 1])
  })

  it('from two inputs, in turn', async () => {
    const more = new NumberWriter(settings, second)
    await Promise.all([writer.write(500), more.write(500)])
    const processor = await rig.start({ inputs: [input, second] })
    await vi.waitFor(async () => expect(await numbersOn(settings, output)).toHaveLength(1_000), PATIENCE)
    const all = await numbersOn(settings, output)
    expect(all.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 1_000 }, (_, i) => i >> 1))
    expect(processor.entered('backing_off')).toBe(0)
    await more.close()
  })
})

describe('offsets', () => {
  it('that differ from the position of the state park the partition, and the message has both', async () => {
    await writer.write(20)
    const first = await rig.start()
    await rig.copied()
    await first.stop()
    const processor = await rig.start({
      repair: (partition) => `Repair ${partition}.`,
      task: (partition) => ({
        restore: () => Promise.resolve(new Map([[input, partition === 0 ? 3n : 10n]])),
      }),
    })
    await rig.parked(
      processor,
      0,
      `${input}/0: the state is at offset 3 and the offset of group ${rig.group}, which commits ` +
        'with it, is 10: the state is not the latest, or the offset was changed. Repair 0.',
    )
    await writer.write(20)
    await vi.waitFor(async () => expect(await rig.committed(1)).toMatchObject({ offset: 20n }), PATIENCE)
    expect(await rig.committed(0)).toMatchObject({ offset: 10n })
    expect([...processor.parked.keys()]).toEqual([0])
    expect(processor.readiness()).toEqual([])
  })

  it('that are gone park each partition, which continues from the offset that the operator sets', async () => {
    await writer.write(20)
    const first = await rig.start()
    await rig.copied()
    await first.stop()
    await withAdmin(settings, (admin) => admin.deleteGroups([rig.group]))
    const processor = await rig.start()
    for (const partition of [0, 1]) {
      await rig.parked(
        processor,
        partition,
        `\`weir offsets set --service ${rig.service} --topic ${input} --partition ${partition} --to <offset>\``,
      )
    }
    expect(processor.readiness()).toEqual(['partition 0 is parked', 'partition 1 is parked'])
    const maintenance = await openMaintenance({ settings, service: rig.service, outputs: [] })
    for (const partition of [0, 1]) {
      const claim = await maintenance.claim(partition)
      await claim.commit([], { [input]: 10n })
      await claim.close()
    }
    await maintenance.close()
    expect(processor.resume(0)).toEqual([0])
    expect(processor.resume()).toContain(1)
    await writer.write(20)
    await rig.copied()
    await vi.waitFor(() => expect(processor.readiness()).toEqual([]), PATIENCE)
    expect(processor.parked.size).toBe(0)
  })

  it('need no operator when nothing was read: a new processor, and an input added to an old one', async () => {
    const more = new NumberWriter(settings, second)
    await writer.write(20)
    const first = await rig.start()
    await rig.copied()
    await first.stop()
    await more.write(4)
    await rig.start({ inputs: [input, second] })
    await vi.waitFor(async () => expect(await numbersOn(settings, output)).toHaveLength(24), PATIENCE)
    await more.close()
  })

  it('are committed after trailing control markers, even if no record follows', async () => {
    await writer.write(20)
    const first = await rig.start()
    await rig.copied()
    // The second processor reads the output of the first: records, then a marker for each transaction.
    const next = await rig.start({ inputs: [output], output: second, service: `${rig.service}-next` })
    await vi.waitFor(async () => expect(await numbersOn(settings, second)).toHaveLength(20), PATIENCE)
    await vi.waitFor(async () => {
      const read = await rig.committed(0, { group: `${rig.group}-next`, input: output })
      const ends = await withAdmin(settings, (admin) => admin.fetchTopicOffsets(output))
      const end = ends.find(({ partition }) => partition === 0)!.high
      expect(read!.offset).toBe(BigInt(end))
    }, PATIENCE)
    expect(first.entered('backing_off') + next.entered('backing_off')).toBe(0)
  })

  it('keep the metadata over batches without metadata and over restarts', async () => {
    let metadata: string | undefined = 'window 7'
    const restored: (string | undefined)[] = []
    const task: CopyOptions['task'] = () => ({
      restore: (state) => {
        restored.push(state.committed(input)?.metadata)
        return Promise.resolve(new Map())
      },
      process: async (batch) => ({
        outputs: copies(batch, output),
        ...(metadata !== undefined && { offsetMetadata: metadata }),
      }),
    })
    await writer.write(2)
    const first = await rig.start({ task: task })
    await rig.copied()
    metadata = undefined
    await writer.write(2)
    await rig.copied()
    await first.stop()
    expect(await rig.committed(0)).toEqual({ offset: 2n, metadata: 'window 7' })
    const again = await rig.start({ task: task })
    await vi.waitFor(() => expect(again.readiness()).toEqual([]), PATIENCE)
    expect(restored).toEqual([undefined, undefined, 'window 7', 'window 7'])
  })

  it('that are not in the log park the partition at the start', async () => {
    await writer.write(20)
    const first = await rig.start()
    await rig.copied()
    await first.stop()
    await writer.write(20)
    await deleteUpTo('15')
    const processor = await rig.start()
    await rig.parked(
      processor,
      0,
      `${input}/0: position 10 is not in the log (15 to 20). Look at \`weir offsets show`,
    )
    await vi.waitFor(async () => expect(await rig.committed(1)).toMatchObject({ offset: 20n }), PATIENCE)
  })

  it('that the log loses while the partition lags park it', async () => {
    const resumed = Promise.withResolvers<undefined>()
    await writer.write(12, 700_000)
    const processor = await rig.start({
      batch: { recordsMax: 1, bytesMax: 1_000, lingerMs: 0 },
      task: (partition, copying) => ({
        process: async (batch) => {
          if (partition === 0) await resumed.promise
          return copying.process(batch)
        },
      }),
    })
    // One record is in the task and two fill the queue, so the others are not fetched.
    await vi.waitFor(() => expect(processor.log.commits.length).toBe(6), PATIENCE)
    await deleteUpTo('5')
    resumed.resolve(undefined)
    await rig.parked(processor, 0, `${input}/0: the log does not have offset 3`)
    expect(await rig.committed(0)).toMatchObject({ offset: 3n })
  })
})
