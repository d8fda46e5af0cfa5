import { HEADER, topicNames, type InteractionEvent } from '@weir/contracts'
import { InvalidEventError, type EventReader } from '@weir/event-codec'
import { RetriableError, StateError, type InputRecord } from '@weir/kafka'
import { createLogger, massFailureAlarm, MassFailureGuard, Metrics } from '@weir/runtime'
import { expect, it } from 'vitest'
import { RowTask } from './row-task.ts'
import { SinkFaultError, SinkUnavailableError, type RowSink } from './row-sink.ts'

const topics = topicNames('')
const REJECTED = 'rejected'

const record = (source: string, value: string, offset = 0): InputRecord => ({
  topic: topics.normalized,
  partition: 0,
  offset: BigInt(offset),
  timestamp: 0,
  key: Buffer.from(`${source}|${offset}`),
  value: Buffer.from(value),
  headers: { [HEADER.source]: Buffer.from(source) },
})

const storing: RowSink['write'] = (events) =>
  Promise.resolve(
    events.map(({ eventType }) =>
      eventType === REJECTED ? { kind: 'rejected', detail: 'SQLSTATE 22008' } : { kind: 'stored' },
    ),
  )

const open = (write: RowSink['write']) => {
  const metrics = new Metrics('persistence')
  const alarm = massFailureAlarm('persistence', { logger: createLogger('test', 'silent'), metrics })
  const reader: Pick<EventReader, 'decode'> = {
    decode: (bytes) =>
      bytes.toString() === 'garbage'
        ? Promise.reject(new InvalidEventError('no'))
        : Promise.resolve({ eventType: bytes.toString(), raw: Buffer.alloc(0) } as InteractionEvent),
  }
  const task = new RowTask({
    service: 'persistence',
    topics,
    partition: 0,
    reader: reader as EventReader,
    keys: undefined,
    sink: { write, close: () => Promise.resolve() },
    rows: metrics.counter('rows', 'rows', ['result']),
    guard: new MassFailureGuard({ massFailureShare: 0.5, massFailureRecordsMin: 100 }, alarm, 0),
  })
  const processRecords = (records: readonly InputRecord[], topic = topics.normalized) =>
    task.process({
      topic,
      partition: 0,
      records,
      nextOffset: BigInt(records.length),
      signal: new AbortController().signal,
      ownershipIsFresh: () => true,
    })
  return { alarm, processRecords }
}

const reasons = (outputs: readonly { readonly headers: Readonly<Record<string, Buffer>> }[]) => [
  ...new Set(outputs.map(({ headers }) => headers[HEADER.dlqReason]!.toString())),
]

it('S3-05 writes a dead letter only for the row that the store rejects', async () => {
  const { processRecords } = open(storing)
  const { outputs } = await processRecords([
    record('a', 't', 0),
    record('b', REJECTED, 1),
    record('c', 't', 2),
  ])
  expect(outputs.map(({ key }) => key.toString().split('|')[0])).toEqual(['b'])
  expect(reasons(outputs)).toEqual(['row_rejected'])
})

it('parks a source whose rows fail in large numbers, and continues with the others', async () => {
  const { alarm, processRecords } = open(storing)
  const bad = Array.from({ length: 302 }, (_, i) => record('bad', i % 2 === 0 ? REJECTED : 'garbage', i))
  const good = Array.from({ length: 50 }, (_, i) => record('good', i === 0 ? REJECTED : 't', 302 + i))
  const { outputs, committed } = await processRecords([...bad, ...good])
  expect(outputs).toHaveLength(303)
  expect(reasons(outputs.filter(({ key }) => key.toString().startsWith('bad')))).toEqual(['source_parked'])
  expect(reasons(outputs.filter(({ key }) => key.toString().startsWith('good')))).toEqual(['row_rejected'])
  expect(alarm.parked()).toEqual([])
  await committed?.(new Map())
  expect(alarm.parked()).toHaveLength(1)

  const again = await processRecords(bad.slice(0, 10), topics.persistenceReplay)
  expect(reasons(again.outputs).sort()).toEqual(['record_invalid', 'row_rejected'])
  const returned = await processRecords([record('bad', 't')], topics.persistenceReplay)
  await returned.committed?.(new Map())
  expect(alarm.parked()).toEqual([])
})

it('retries only when the store is unavailable', async () => {
  const staged = (error: Error) => open(() => Promise.reject(error)).processRecords([record('good', 't')])
  await expect(staged(new SinkUnavailableError('away'))).rejects.toThrow(RetriableError)
  const unknown = new RangeError('Maximum call stack size exceeded')
  await expect(staged(unknown)).rejects.toBe(unknown)
  // The partition is parked with this message, which says what to do.
  await expect(staged(new SinkFaultError('refused'))).rejects.toThrow(StateError)
})
