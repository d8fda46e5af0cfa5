import { RetriableError } from '@weir/kafka'
import { createLogger, Metrics } from '@weir/service-kit'
import { expect, it } from 'vitest'
import { massFailureAlarm, MassFailureGuard } from './mass-failure.ts'

const config = { massFailureShare: 0.5, massFailureRecordsMin: 100 }
const open = () => {
  const metrics = new Metrics('test')
  const alarm = massFailureAlarm('test', { logger: createLogger('test', 'silent'), metrics })
  return { metrics, alarm, guard: new MassFailureGuard(config, alarm, 3) }
}

it('pauses a batch of which more than the share fails, and says so', async () => {
  const { metrics, alarm, guard } = open()
  guard.check(50, 100)
  expect(() => guard.check(51, 100)).toThrow(RetriableError)
  expect(alarm.readiness()).toEqual(['partition 3: 51 of 100 records would be dead letters'])
  expect(await metrics.registry.metrics()).toMatch(/weir_test_mass_failure\{.*partition="3".*\} 1/)
  guard.check(0, 100)
  guard.committed(0, 100)
  expect(alarm.readiness()).toEqual([])
})

it('adds up small batches, so that a trickle does not flood either', () => {
  const { guard } = open()
  let letters = 0
  expect(() => {
    for (let i = 0; i < 1_000; i++) {
      guard.check(1, 1)
      guard.committed(1, 1)
      letters += 1
    }
  }).toThrow(/of 100 records/)
  expect(letters).toBe(99)
})

it('forgets old failures, and a few records say nothing', () => {
  const { guard } = open()
  guard.check(99, 99)
  guard.committed(99, 99)
  for (let i = 0; i < 300; i++) guard.committed(0, 1)
  guard.check(40, 40)
})
