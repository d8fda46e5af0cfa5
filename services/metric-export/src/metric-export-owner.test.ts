import { encodeDedupStats, type DedupStats } from '@weir/contracts'
import { RetriableError, type InputBatch, type RestoreContext, type StagedBatch } from '@weir/kafka'
import { createLogger, Metrics } from '@weir/service-kit'
import { beforeEach, expect, it } from 'vitest'
import { InfluxUnavailableError } from './influx.ts'
import { MetricExportOwner } from './metric-export-owner.ts'
import type { WindowPoint } from './window-sums.ts'

let written: WindowPoint[][] = []
let write: (points: readonly WindowPoint[]) => Promise<void>
beforeEach(() => {
  written = []
  write = (points) => {
    written.push([...points])
    return Promise.resolve()
  }
})

const TOPIC = 'dedup.stats.v1'

const open = async (metadata = ''): Promise<MetricExportOwner> => {
  const owner = new MetricExportOwner({
    ...{ topic: TOPIC, partition: 0, logger: createLogger('test', 'silent') },
    write: (_, points) => write(points),
    events: new Metrics('test').counter('weir_test_total', 'Test.', ['source', 'outcome']),
  })
  await owner.restore({ committed: () => ({ offset: 0n, metadata }) } as unknown as RestoreContext)
  return owner
}

const batchOf = (values: readonly (Buffer | null)[], isFresh = true): InputBatch => ({
  ...{ topic: TOPIC, partition: 0, nextOffset: BigInt(values.length) },
  ...{ signal: new AbortController().signal, ownershipIsFresh: () => isFresh },
  records: values.map((value, i) => ({
    ...{ topic: TOPIC, partition: 0, offset: BigInt(i), timestamp: 0, key: null, value, headers: {} },
  })),
})

const stats = (received: number): Buffer =>
  encodeDedupStats({
    ...{ source: 'cxone', partition: 0, windowStart: 10_000, windowMs: 10_000, received, unique: received },
    ...{ returned: 0, duplicates: 0, conflicts: 0, deadLettered: 0, rejected: 0, rotations: 0, keysHeld: 0 },
  } satisfies DedupStats)

it('is ready to commit only when the points are written', async () => {
  const server = Promise.withResolvers<undefined>()
  write = () => server.promise
  const owner = await open()
  let staged: StagedBatch | undefined
  const staging = owner.stage(batchOf([stats(1)])).then((result) => {
    staged = result
  })
  await new Promise((resolve) => setImmediate(resolve))
  expect(staged).toBeUndefined()
  server.resolve(undefined)
  await staging
  expect(staged?.offsetMetadata).toContain('cxone')
})

it('writes the same sums again when what it staged was not committed, and goes on from them when it was', async () => {
  const owner = await open()
  await owner.stage(batchOf([stats(1), stats(2)]))
  const again = await owner.stage(batchOf([stats(1), stats(2)]))
  await again.committed?.(new Map())
  await owner.stage(batchOf([stats(4)]))
  expect(written.map((points) => points.map(({ received }) => received))).toEqual([[3], [3], [7]])
})

it('goes on, as a successor, from the sums that were committed with the offset', async () => {
  const { offsetMetadata } = await (await open()).stage(batchOf([stats(5)]))
  await (await open(offsetMetadata)).stage(batchOf([stats(1)]))
  expect(written.at(-1)).toMatchObject([{ source: 'cxone', received: 6 }])
})

it('writes nothing while another may own the partition', async () => {
  const owner = await open()
  await expect(owner.stage(batchOf([stats(1)], false))).rejects.toThrow(RetriableError)
  expect(written).toEqual([])
})

it('waits for a database that is away, and ends for points that it will never take', async () => {
  const owner = await open()
  write = () => Promise.reject(new InfluxUnavailableError('planted'))
  await expect(owner.stage(batchOf([stats(1)]))).rejects.toThrow(RetriableError)
  write = () => Promise.reject(new TypeError('planted'))
  await expect(owner.stage(batchOf([stats(1)]))).rejects.toThrow(TypeError)
})

it('passes over what is no stats record', async () => {
  const owner = await open()
  await owner.stage(batchOf([Buffer.from('not JSON'), Buffer.from('{}'), null, stats(3)]))
  expect(written).toMatchObject([[{ received: 3 }]])
})
