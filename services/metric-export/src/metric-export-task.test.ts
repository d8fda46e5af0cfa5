import { RetriableError, StateError, type ProcessedBatch } from '@weir/kafka'
import { createLogger } from '@weir/runtime'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { InfluxUnavailableError } from './influx.ts'
import { MetricExportTask } from './metric-export-task.ts'
import { counters, StatsLog, statsOf, TOPIC } from './testing/stats-log.ts'
import type { WindowPoint } from './window-sums.ts'

const TIMEOUT_MS = 1_000
const logger = createLogger('test', 'silent')
let log = new StatsLog()
let owners: MetricExportTask[] = []
let now = 0
let written: WindowPoint[][] = []
let write: (points: readonly WindowPoint[]) => Promise<void>
beforeEach(() => {
  log = new StatsLog()
  owners = []
  now = 0
  written = []
  write = (points) => {
    written.push([...points])
    return Promise.resolve()
  }
})
afterEach(async () => {
  for (const task of owners) await task.close()
})

const open = async (committed?: { offset: bigint; metadata: string }): Promise<MetricExportTask> => {
  const task = new MetricExportTask({
    topic: TOPIC,
    partition: 0,
    logger,
    reader: log.reader,
    write: (_, points) => write(points),
    writeTimeoutMs: TIMEOUT_MS,
    now: () => now,
    ...counters(),
  })
  owners.push(task)
  await task.restore(log.context(committed))
  return task
}

const stats = (received: number, windowStart = 10_000) => statsOf({ received, windowStart })
const received = (points: readonly WindowPoint[]) =>
  points.flatMap((point) => (point.source === undefined ? [] : [point.received]))

it('is ready to commit only when the points are written', async () => {
  const server = Promise.withResolvers<undefined>()
  write = () => server.promise
  log.append([stats(1)])
  const task = await open()
  let processed: ProcessedBatch | undefined
  const staging = task.process(log.batch(0, 1)).then((result) => {
    processed = result
  })
  await new Promise((resolve) => setImmediate(resolve))
  expect(processed).toBeUndefined()
  server.resolve(undefined)
  await staging
  expect(processed?.offsetMetadata).toBe('{"from":0,"open":10000}')
})

it('writes the same sums again after an abort, and continues from them after a commit', async () => {
  log.append([stats(1), stats(2), stats(4)])
  const task = await open()
  await task.process(log.batch(0, 2))
  const again = await task.process(log.batch(0, 2))
  await again.committed?.(new Map())
  await task.process(log.batch(2, 3))
  expect(written.map(received)).toEqual([[3], [3], [7]])
})

it('continues, as a successor, from the sums that belong to the committed offset', async () => {
  log.append([stats(5), stats(1)])
  const { offsetMetadata } = await (await open()).process(log.batch(0, 1))
  await (await open({ offset: 1n, metadata: offsetMetadata! })).process(log.batch(1, 2))
  expect(written.at(-1)).toMatchObject([{ source: 'cxone', received: 6 }, { source: undefined }])
})

it('continues from sums in the earlier form of metadata, until their window is closed', async () => {
  // What came before the upgrade is not read again.
  log.append([stats(99), stats(1), stats(2, 20_000), stats(4, 20_000)])
  let committed = { offset: 1n, metadata: '[10000,[["cxone",5,0,0,7],["nice",3,1,0,7]]]' }
  const step = async (from: number) => {
    const task = await open(committed)
    const { offsetMetadata } = await task.process(log.batch(from, from + 1))
    committed = { offset: BigInt(from + 1), metadata: offsetMetadata! }
  }
  await step(1)
  expect(committed.metadata).toBe('{"from":1,"open":10000,"base":[10000,"cxone",5,0,0,7,"nice",3,1,0,7]}')
  await step(2)
  await step(3)
  expect(written.map(received)).toEqual([[6], [2], [6]])
})

it('writes a closed window once more when no older write can be under way, then forgets it', async () => {
  log.append([stats(1), stats(2, 20_000), stats(4, 20_000)])
  const task = await open()
  await (await task.process(log.batch(0, 2))).committed?.(new Map())
  now = 3 * TIMEOUT_MS - 1
  await task.settle()
  expect(written).toHaveLength(1)
  now = 3 * TIMEOUT_MS
  await task.settle()
  expect(written.map(received)).toEqual([
    [1, 2],
    [1, 2],
  ])
  await task.settle()
  expect(written).toHaveLength(2)
  const { offsetMetadata } = await task.process(log.batch(2, 3))
  expect(offsetMetadata).toBe('{"from":1,"open":20000}')
})

it('S4-06 logs a failed write, and delays the last one while the database does not respond', async () => {
  log.append([stats(1)])
  const task = await open()
  await (await task.process(log.batch(0, 1))).committed?.(new Map())
  const answer = write
  write = () => Promise.reject(new InfluxUnavailableError('planted'))
  now += 3 * TIMEOUT_MS
  const warn = vi.spyOn(logger, 'warn')
  await task.settle()
  expect(warn.mock.lastCall).toEqual([
    { partition: 0, windows: 1 },
    'planted; the windows are written again later',
  ])
  warn.mockRestore()
  write = answer
  now += 10 * TIMEOUT_MS
  // The first answer: what was under way until then may still arrive.
  await task.settle()
  await task.settle()
  now += 3 * TIMEOUT_MS
  await task.settle()
  await task.settle()
  expect(written.map(received)).toEqual([[1], [1], [1]])
})

it('writes nothing older while a batch is between its write and its commit', async () => {
  log.append([stats(1), stats(2)])
  const task = await open()
  await (await task.process(log.batch(0, 1))).committed?.(new Map())
  const { committed } = await task.process(log.batch(1, 2))
  now += 10 * TIMEOUT_MS
  await task.settle()
  expect(written.map(received)).toEqual([[1], [3]])
  await committed?.(new Map())
  await task.settle()
  expect(written.map(received)).toEqual([[1], [3], [3]])
})

it('writes nothing while another process may own the partition', async () => {
  log.append([stats(1)])
  const task = await open()
  await expect(task.process(log.batch(0, 1, false))).rejects.toThrow(RetriableError)
  expect(written).toEqual([])
})

it('waits for an unavailable database, and stops at points that it never accepts', async () => {
  log.append([stats(1)])
  const task = await open()
  write = () => Promise.reject(new InfluxUnavailableError('planted'))
  await expect(task.process(log.batch(0, 1))).rejects.toThrow(RetriableError)
  write = () => Promise.reject(new TypeError('planted'))
  await expect(task.process(log.batch(0, 1))).rejects.toThrow(TypeError)
})

it('skips records that are not stats records', async () => {
  const half = Buffer.from('{"source":"a","windowStart":1.5,"received":1}')
  log.append([Buffer.from('not JSON'), Buffer.from('{}'), half, null, stats(3)])
  await (await open()).process(log.batch(0, 5))
  expect(written).toMatchObject([[{ received: 3 }, { source: undefined }]])
})

it('waits while the log ends before the committed offset', async () => {
  log.append([stats(1)])
  await expect(open({ offset: 2n, metadata: '{"from":0,"open":10000}' })).rejects.toThrow(RetriableError)
})

it('stops when the log holds other records than those that were counted', async () => {
  log.append([stats(1, 20_000)])
  const other = open({ offset: 1n, metadata: '{"from":0,"open":10000}' })
  await expect(other).rejects.toThrow(
    /window 20000, and 10000 was committed.*weir offsets set .*--partition 0 --to 1 --move/,
  )
})

it.each([
  'set by an operator',
  'null',
  '5',
  '"x"',
  '{}',
  '[]',
  '[1,2]',
  '[0,[5]]',
  '{"from":1.5,"open":0}',
  '{"from":0}',
])('stops, with the remedy, at metadata of another client: %s', async (metadata) => {
  log.append([stats(1)])
  await expect(open({ offset: 1n, metadata })).rejects.toThrow(
    /not written by metric-export.*weir offsets set .*--partition 0 --to 1 --move/,
  )
  await expect(open({ offset: 1n, metadata })).rejects.toThrow(StateError)
})

it('continues with a new window when retention has deleted the last one, and never with its rest', async () => {
  log.append([stats(1), stats(2), stats(4), stats(8, 20_000)])
  log.start = 1n
  const task = await open({ offset: 2n, metadata: '{"from":0,"open":10000}' })
  await expect(task.process(log.batch(2, 3))).rejects.toThrow(StateError)
  const next = await open({ offset: 3n, metadata: '{"from":0,"open":10000}' })
  await next.process(log.batch(3, 4))
  expect(written.map(received)).toEqual([[8]])
})

it.each(['', '[0,[]]'])(
  'counts the last window again where the metadata say nothing: %j',
  async (metadata) => {
    log.append([stats(1), ...Array.from({ length: 5_000 }, () => stats(2, 20_000)), stats(4, 20_000)])
    const task = await open({ offset: 5_001n, metadata })
    await task.process(log.batch(5_001, 5_002))
    expect(written.map(received)).toEqual([[10_004]])
  },
)

it('adds nothing to a window that retention may have deleted in part', async () => {
  log.append([stats(1), stats(2), stats(4), stats(8, 20_000)])
  log.start = 1n
  const task = await open({ offset: 2n, metadata: '' })
  await expect(task.process(log.batch(2, 3))).rejects.toThrow(/no longer in the log/)
})
