import { HEADER } from '@weir/contracts'
import { expect, it } from 'vitest'
import { createLogger } from '../service/logger.ts'
import { Metrics } from '../service/metrics.ts'
import { massFailureAlarm, MassFailureGuard, setApart, SourceTally } from './mass-failure.ts'

const config = { massFailureShare: 0.5, massFailureRecordsMin: 100 }
const open = () => {
  const metrics = new Metrics('test')
  const alarm = massFailureAlarm('test', { logger: createLogger('test', 'silent'), metrics })
  return { metrics, alarm, guard: new MassFailureGuard(config, alarm, 3) }
}

const tally = (...counts: readonly (readonly [source: string, failed: number, records: number])[]) => {
  const all = new SourceTally()
  for (const [source, failed, records] of counts) {
    for (let i = 0; i < records; i++) all.add(source, i < failed)
  }
  return all
}

it('parks only the source whose share of failures is above the limit', () => {
  const { guard } = open()
  expect([...guard.parkedIn(tally(['bad', 51, 100], ['half', 50, 100], ['good', 0, 1_000]))]).toEqual(['bad'])
  // Together they would be far below the share.
  expect([...guard.parkedIn(tally(['bad', 302, 302], ['good', 0, 100_000]))]).toEqual(['bad'])
})

it('adds up small batches, so that a slow source is parked too', () => {
  const { guard } = open()
  let ordinary = 0
  for (let i = 0; i < 1_000; i++) {
    const batch = tally(['bad', 1, 1], ['good', 0, 5])
    if (guard.parkedIn(batch).size === 0) ordinary += 1
    guard.committed(batch)
  }
  expect(ordinary).toBe(99)
})

it('forgets old failures, and parks nothing because of a few records', () => {
  const { guard } = open()
  expect(guard.parkedIn(tally(['a', 99, 99])).size).toBe(0)
  guard.committed(tally(['a', 99, 99]))
  for (let i = 0; i < 300; i++) guard.committed(tally(['a', 0, 1]))
  expect(guard.parkedIn(tally(['a', 40, 40])).size).toBe(0)
})

it('reports what is parked, where, and the command to run, until its records pass', async () => {
  const { metrics, alarm, guard } = open()
  guard.committed(tally(['bad', 302, 400], ['good', 0, 100]))
  expect(alarm.parked()).toEqual([
    'source bad, partition 3: 302 of 400 records failed and are parked as dead letters; correct the cause, then run `weir dlq replay test --reason source_parked --source bad`',
  ])
  expect(await metrics.registry.metrics()).toMatch(
    /weir_test_mass_failure\{(?=.*partition="3")(?=.*source="bad").*\} 1/,
  )
  guard.committed(tally(['bad', 0, 400]))
  expect(alarm.parked()).toEqual([])
  expect(await metrics.registry.metrics()).not.toContain('source="bad"')
})

it('releases a source when its replayed records pass', () => {
  const { alarm, guard } = open()
  guard.committed(tally(['bad', 400, 400], ['worse', 400, 400]))
  guard.returned(tally(['bad', 0, 1], ['worse', 1, 2]))
  expect(alarm.parked()).toHaveLength(1)
  expect(alarm.parked()[0]).toContain('source worse')
  guard.close()
  expect(alarm.parked()).toEqual([])
})

it('makes no label from an unknown name, and is bounded', () => {
  const { alarm, guard } = open()
  for (let i = 0; i < 5_000; i++) guard.committed(tally([`${i}"}\n`, 200, 200]))
  guard.committed(tally(['x'.repeat(100), 200, 200]))
  expect(alarm.parked()).toHaveLength(1)
  expect(alarm.parked()[0]).toContain('`weir dlq replay test --reason source_parked`')
})

it('gives failures of a parked source their own reason, except those held for a person', () => {
  const failure = (source: string, reason: 'schema_violation' | 'unknown_field') => ({
    origin: {
      topic: 't',
      partition: 0,
      offset: 0n,
      timestamp: 0,
      key: null,
      value: null,
      headers: { [HEADER.source]: Buffer.from(source) },
    },
    reason,
    step: 's',
    error: 'e',
  })
  const apart = setApart(
    [
      failure('bad', 'schema_violation'),
      failure('bad', 'unknown_field'),
      failure('good', 'schema_violation'),
    ],
    new Set(['bad']),
  )
  expect(apart.map(({ reason, error }) => [reason, error])).toEqual([
    ['source_parked', 'schema_violation: e'],
    ['unknown_field', 'e'],
    ['schema_violation', 'e'],
  ])
})
