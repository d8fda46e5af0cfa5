import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '@weir/local-stack'
import { expect, it } from 'vitest'
import { alarmOf, canLeaveOpen } from './alarms.ts'

const LINE = '{"level":40,"msg":"a transaction that the brokers had not ended was ended","offset":"7"}'

it('takes the end of a transaction for an alarm while no broker fails', () => {
  expect(alarmOf(LINE, false)).toBe(LINE)
  expect(alarmOf(LINE, true)).toBeUndefined()
  expect(alarmOf('{"msg":"starting"}', false)).toBeUndefined()
})

it('knows which runs let brokers fail', () => {
  const lane = (fault: { readonly kind: 'kill' } | { readonly kind: 'brokers-pause'; readonly ms: number }) =>
    canLeaveOpen([{ target: 'x', steps: [{ at: 0.5, ...fault }] }])
  expect(lane({ kind: 'kill' })).toBe(false)
  expect(lane({ kind: 'brokers-pause', ms: 5_000 })).toBe(true)
})

it('has the words that the product uses', () => {
  const source = readFileSync(join(ROOT, 'packages/kafka/src/transactions/transactional-producer.ts'), 'utf8')
  expect(source).toContain(`'${(JSON.parse(LINE) as { msg: string }).msg}'`)
})
