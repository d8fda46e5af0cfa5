import { StateError, type TaskState } from '@weir/kafka'
import { afterEach, expect, it } from 'vitest'
import { startProbeServer } from '../http/health.ts'
import { Metrics } from '../service/metrics.ts'
import { PartitionList } from './partition-list.ts'

let close: (() => Promise<void>) | undefined
afterEach(() => close?.())

const stageWith = (parked: ReadonlyMap<number, Error>, resumed: (number | undefined)[]) => ({
  partitions: new Map<number, TaskState>([
    [3, 'running'],
    [0, 'fencing'],
    [1, 'parked'],
  ]),
  parked,
  resume: (partition?: number) => {
    resumed.push(partition)
    return [...parked.keys()].filter((one) => one === (partition ?? one))
  },
})

it('lists what is parked, and hides the text of unexpected errors', async () => {
  const resumed: (number | undefined)[] = []
  const list = new PartitionList()
  const parked = new Map<number, Error>([
    [1, new StateError('the state is damaged. Run this.')],
    // While it is tried again it is still parked.
    [0, new SyntaxError('Unexpected token in {"name":"a secret"}')],
  ])
  list.add('dedup', stageWith(parked, resumed))
  const probes = await startProbeServer({
    port: 0,
    host: '127.0.0.1',
    metrics: new Metrics('test'),
    readiness: () => [],
    parked: () => list.parked(),
    localRoutes: list.routes,
  })
  close = () => probes.close()
  const ask = async (method: string, path: string): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${probes.port}${path}`, { method })
    expect(response.status).toBe(200)
    return response.json()
  }
  const unexpected = 'SyntaxError, an unexpected error: see the log'
  expect(await ask('GET', '/partitions')).toEqual([
    { stage: 'dedup', partition: 0, state: 'parked', why: unexpected },
    { stage: 'dedup', partition: 1, state: 'parked', why: 'the state is damaged. Run this.' },
    { stage: 'dedup', partition: 3, state: 'running' },
  ])
  expect(await ask('GET', '/readyz')).toEqual({
    status: 'ready',
    parked: [`dedup, partition 0: ${unexpected}`, 'dedup, partition 1: the state is damaged. Run this.'],
  })
  expect(await ask('POST', '/partitions/resume?partition=1')).toEqual({ resumed: ['dedup, partition 1'] })
  expect(await ask('POST', '/partitions/resume?stage=other')).toEqual({ resumed: [] })
  expect(await ask('POST', '/partitions/resume')).toEqual({
    resumed: ['dedup, partition 1', 'dedup, partition 0'],
  })
  expect(resumed).toEqual([1, undefined])
})
