import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { createLogger } from '@weir/runtime'
import pg from 'pg'
import { expect, it } from 'vitest'
import { sinkErrorOf, sqlFaultOf, stateOf } from './sql-faults.ts'

const CANARY = 'a body of a customer'
/** Of every fault, and one that Weir does not know. */
const STATES = [
  '23514',
  '22P02',
  '40001',
  '40P01',
  '55P03',
  '57014',
  '57P01',
  '53300',
  '42703',
  'XX001',
  'ZZ999',
]
/** PostgreSQL makes the messages of this class of names alone, and Weir shows them. */
const SHOWN_CLASS = '42'

/** As a trigger raises it, or as the server refuses a value. */
const errorOf = (code: string): pg.DatabaseError =>
  Object.assign(new pg.DatabaseError(code.startsWith(SHOWN_CLASS) ? 'no column x' : CANARY, 100, 'error'), {
    code,
    detail: CANARY,
    hint: CANARY,
    where: CANARY,
    internalQuery: CANARY,
    column: CANARY,
    dataType: CANARY,
    constraint: CANARY,
  })

const logged = (error: unknown): string => {
  const file = join(mkdtempSync(join(tmpdir(), 'weir-errors-')), 'log')
  createLogger('test', 'info', file).fatal({ err: error }, 'failed')
  return readFileSync(file, 'utf8')
}

it.each(STATES)('no error and no log shows what the database says of a row with SQLSTATE %s', (code) => {
  const error = errorOf(code)
  expect(sqlFaultOf(error)).toBeDefined()
  const ours = sinkErrorOf(error) as Error
  for (const text of [stateOf(error), inspect(ours, { depth: null }), logged(ours)]) {
    expect(text).not.toContain(CANARY)
  }
  expect(logged(ours)).toContain(code)
})

it('the log shows no cause and no other field of an error, wherever it comes from', () => {
  const cause = errorOf('23505')
  const line = logged(
    Object.assign(new Error('outer', { cause }), { response: { body: CANARY }, code: 'E1' }),
  )
  expect(JSON.parse(line)).toMatchObject({ err: { type: 'Error', message: 'outer', code: 'E1' } })
  expect(line).not.toContain(CANARY)
})
