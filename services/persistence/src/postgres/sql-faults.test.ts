import { readDocument } from '@weir/testkit'
import pg from 'pg'
import { expect, it } from 'vitest'
import { SinkFaultError, SinkUnavailableError } from '@weir/row-sink'
import { faultOfState, sinkErrorOf, sqlFaultOf } from './sql-faults.ts'

const databaseError = (code: string, message = 'quotes a row') =>
  Object.assign(new pg.DatabaseError(message, 0, 'error'), { code, detail: 'Failing row contains (secret)' })

it.each([
  ['away', ['08000', '08001', '08003', '08004', '08006', '08P01']],
  ['away', ['53000', '53100', '53300', '40001', '40P01', '40003', '55006', '72000']],
  ['away', ['57P01', '57P02', '57P03', '57P05', '25006', '25P03', 'HV00N']],
  ['locked', ['55P03']],
  ['too_much', ['57014', '25P04', '53200', '53400']],
  ['content', ['22001', '22003', '22007', '22008', '22021', '22P02', '22P05', '54000', '54001']],
  ['content', ['23502', '23503', '23505', '23514', '23P01', '40002', '44000', '09000']],
  ['content', ['P0001', 'P0002', 'P0003', 'P0004']],
  // States that functions of an operator may raise.
  ['content', ['45000', '50001', '99999', 'WE001', 'U0001', 'ZZ999']],
  ['stop', ['28P01', '28000', '3D000', '3F000', '42501', '42601', '42703', '42P01', '0A000', '26000']],
  ['stop', ['57P04', '55000', '55P02', '58030', '58P01', 'XX000', 'XX001', 'XX002', 'F0000', 'HV000']],
  // States of triggers and functions.
  ['content', ['0Z002', '10608', '20000', '27000', '2F005', '38000', '38001', '39P01', '39004']],
  ['stop', ['', '25001', '21000', '0L000', '0P000', '24000', '2BP01', '2D000', '34000', '3B001', 'H1000']],
] as const)('%s: %j', (fault, states) => {
  for (const state of states) expect([state, faultOfState(state)]).toEqual([state, fault])
})

/** The classes of PostgreSQL 18's manual, appendix A; 72 is of earlier ones. */
const MANUAL = (
  '00 01 02 03 08 09 0A 0B 0F 0L 0P 0Z 10 20 21 22 23 24 25 26 27 28 2B 2D 2F 34 38 39 3B 3D 3F ' +
  '40 42 44 53 54 55 57 58 72 F0 HV P0 XX'
).split(' ')

const raised = (code: string, context: object, message?: string) =>
  Object.assign(databaseError(code, message), context)
const IN_TRIGGER = {
  where: 'SQL statement "INSERT INTO log VALUES (1)"\nPL/pgSQL function odd() line 3 at SQL statement',
}
const AT_RAISE = { where: 'PL/pgSQL function odd() line 1 at RAISE', routine: 'exec_stmt_raise' }

it.each(['42P01', '42501', '42883', '0A000', '21000', '28P01', '3D000', '55000', '58030', 'HV000', 'XX000'])(
  '%s stops when our own statement meets it, and is about the row when a function does',
  (state) => {
    expect(sqlFaultOf(databaseError(state))).toBe('stop')
    for (const where of [IN_TRIGGER.where, 'PL/Perl function "odd"', 'SQL-Funktion »odd« Anweisung 1']) {
      expect(sqlFaultOf(raised(state, { where }))).toBe('content')
    }
    expect(sqlFaultOf(raised(state, { where: 'JSON data, line 1: {"PL/": \'SQL\'' }))).toBe('stop')
  },
)

it('takes an error that a trigger raises for the fault of the row, unless it asks for a retry', () => {
  const states = [
    '08006',
    '25006',
    '28P01',
    '3D000',
    '40003',
    '42P01',
    '53100',
    '53300',
    '57014',
    '57P03',
    'XX001',
  ]
  for (const state of states) {
    expect([state, sqlFaultOf(raised(state, AT_RAISE, 'no such user: secret'))]).toEqual([state, 'content'])
  }
  for (const [state, fault] of [
    ['40001', 'away'],
    ['40P01', 'away'],
    ['55P03', 'locked'],
  ] as const) {
    expect(sqlFaultOf(raised(state, AT_RAISE))).toBe(fault)
  }
})

it('recognises an unavailable, full or damaged database also within a trigger', () => {
  for (const [state, fault] of [
    ...(['08006', '53100', '53300', '57P01', 'HV00N'] as const).map((one) => [one, 'away'] as const),
    ['57014', 'too_much'] as const,
    ['XX001', 'stop'] as const,
    ['XX002', 'stop'] as const,
  ]) {
    expect([state, sqlFaultOf(raised(state, IN_TRIGGER))]).toEqual([state, fault])
  }
})

it('takes a violation of row-level security for the fault of the row', () => {
  expect(sqlFaultOf(raised('42501', { routine: 'ExecWithCheckOptions' }))).toBe('content')
})

it.each([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'EMFILE',
  'ENFILE',
])('waits when the connection says %s', (code) => {
  const error = Object.assign(new Error('connect'), { code })
  expect(sqlFaultOf(error)).toBe('away')
  expect(sinkErrorOf(error)).toBeInstanceOf(SinkUnavailableError)
})

it.each([
  'Connection terminated',
  'Connection terminated unexpectedly',
  'timeout expired',
  'Connection terminated due to connection timeout',
  'timeout exceeded when trying to connect',
  'Client has encountered a connection error and is not queryable',
  'Client was closed and is not queryable',
])('waits when pg says %s', (message) => {
  expect(sqlFaultOf(new Error(message))).toBe('away')
})

it('writes fewer rows after a query without a response', () => {
  expect(sqlFaultOf(new Error('Query read timeout'))).toBe('too_much')
})

it.each([
  new RangeError('Maximum call stack size exceeded'),
  new TypeError('x is not a function'),
  new Error('Cannot use a pool after calling end on the pool'),
])('does not take %s for the database being away', (error) => {
  expect(sqlFaultOf(error)).toBeUndefined()
  expect(sinkErrorOf(error)).toBe(error)
})

it.each([
  ['08P01', 'unsupported startup parameter: statement_timeout', /take the parameter out of DATABASE_URL/],
  ['08P01', 'no such database: weird', /correct the database of DATABASE_URL/],
  ['3D000', 'database "weird" does not exist', /correct the database of DATABASE_URL/],
  ['08P01', 'no such user: weird', /correct the user or the password of DATABASE_URL/],
  ['08P01', 'password authentication failed', /correct the user or the password of DATABASE_URL/],
  ['08P01', 'SASL authentication failed', /correct the user or the password of DATABASE_URL/],
  [
    '28000',
    'no pg_hba.conf entry for host "::1", user "a", no encryption',
    /correct sslmode of DATABASE_URL/,
  ],
  [
    undefined,
    'SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string',
    /the password of DATABASE_URL/,
  ],
  [undefined, 'The server does not support SSL connections', /correct sslmode of DATABASE_URL/],
])(
  'a connection that is refused (%s, %s) names the setting, and is not waited for as an outage',
  (code, message, remedy) => {
    const error = code === undefined ? new Error(message) : databaseError(code, message)
    const refusal = sinkErrorOf(error) as Error
    expect(refusal).toBeInstanceOf(SinkFaultError)
    expect(refusal.message).toContain(message)
    expect(refusal.message).toMatch(remedy)
  },
)

it.each([
  'CERT_HAS_EXPIRED',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])('a certificate that is not trusted (%s) names the setting', (code) => {
  const refusal = sinkErrorOf(Object.assign(new Error('certificate'), { code })) as Error
  expect(refusal).toBeInstanceOf(SinkFaultError)
  expect(refusal.message).toMatch(/certificate.*sslrootcert in DATABASE_URL/)
})

it('waits for a pooler that is full or has lost its server', () => {
  for (const message of [
    'query_wait_timeout',
    'server conn crashed?',
    'no more connections allowed (max_client_conn)',
  ]) {
    expect(sqlFaultOf(databaseError('08P01', message))).toBe('away')
  }
})

it('does not take an error about a row for one about the connection', () => {
  const error = sinkErrorOf(databaseError('XX000', 'authentication failed: secret')) as Error
  expect(error.message).not.toContain('secret')
})

it('names the wrong setting, and never quotes a row', () => {
  const refusal = (code: string, message: string) => {
    const error = sinkErrorOf(databaseError(code, message)) as Error
    expect(error).toBeInstanceOf(SinkFaultError)
    expect(error.cause).toBeUndefined()
    return error.message
  }
  expect(refusal('28P01', 'password authentication failed for user "weir"')).toBe(
    'the database refuses the request (SQLSTATE 28P01, password authentication failed for user "weir"): ' +
      'correct the user or the password of DATABASE_URL, then start again',
  )
  expect(refusal('XX000', 'secret')).not.toContain('secret')
  expect(refusal('23502', 'secret')).not.toContain('secret')
})

it('treats every class of the manual as documented', () => {
  const [, table = ''] = /## What PostgreSQL refuses\n([^]*?)\n\nThis applies/.exec(
    readDocument('docs/operations/failures.md'),
  )!
  const rows = table.split('\n').filter((line) => /`\w{2,5}`/.test(line))
  const faults = ['content', 'away', 'locked', 'too_much', 'stop'] as const
  expect(rows).toHaveLength(faults.length)
  const documented = rows.flatMap((row, index) =>
    [...row.split('|')[2]!.matchAll(/`([0-9A-Z]{2,5})`/g)].map(
      ([, state]) => [state!, faults[index]] as const,
    ),
  )
  for (const [state, fault] of documented) {
    expect([state, faultOfState(state.padEnd(5, '0'))]).toEqual([state, fault])
  }
  expect(documented.map(([state]) => state)).toEqual(expect.arrayContaining([...MANUAL]))
})
