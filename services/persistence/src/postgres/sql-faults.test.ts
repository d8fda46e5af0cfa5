import pg from 'pg'
import { expect, it } from 'vitest'
import { SinkFaultError, SinkUnavailableError } from '../row-sink.ts'
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
  // Raised by somebody's own function, with a state of its own.
  ['content', ['45000', '50001', '99999', 'WE001', 'U0001', 'ZZ999']],
  ['stop', ['28P01', '28000', '3D000', '3F000', '42501', '42601', '42703', '42P01', '0A000', '26000']],
  ['stop', ['57P04', '55000', '55P02', '58030', '58P01', 'XX000', 'XX001', 'XX002', 'F0000', 'HV000']],
  ['stop', ['', '25001', '21000', '2F000', '38000', '39P01', 'H1000']],
] as const)('%s: %j', (fault, states) => {
  for (const state of states) expect([state, faultOfState(state)]).toEqual([state, fault])
})

it.each([
  ...['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'ENOENT'],
  ...['EHOSTUNREACH', 'EHOSTDOWN', 'ENETUNREACH', 'ENETDOWN', 'EADDRNOTAVAIL', 'EMFILE', 'ENFILE'],
])('waits when the connection says %s', (code) => {
  const error = Object.assign(new Error('connect'), { code })
  expect(sqlFaultOf(error)).toBe('away')
  expect(sinkErrorOf(error)).toBeInstanceOf(SinkUnavailableError)
})

it.each([
  ...['Connection terminated', 'Connection terminated unexpectedly', 'timeout expired'],
  ...['Connection terminated due to connection timeout', 'timeout exceeded when trying to connect'],
  ...['Client has encountered a connection error and is not queryable'],
  ...['Client was closed and is not queryable'],
])('waits when pg says %s', (message) => {
  expect(sqlFaultOf(new Error(message))).toBe('away')
})

it('writes less when no answer comes at all', () => {
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

it('a pooler that is full or has lost its server is waited for', () => {
  for (const message of [
    'query_wait_timeout',
    'server conn crashed?',
    'no more connections allowed (max_client_conn)',
  ]) {
    expect(sqlFaultOf(databaseError('08P01', message))).toBe('away')
  }
})

it('a row that speaks of connections is still a row', () => {
  const error = sinkErrorOf(databaseError('XX000', 'authentication failed: secret')) as Error
  expect(error.message).not.toContain('secret')
})

it('says which setting is wrong, and never quotes a row', () => {
  const refusal = (code: string, message: string) => {
    const error = sinkErrorOf(databaseError(code, message)) as Error
    expect(error).toBeInstanceOf(SinkFaultError)
    expect(error.cause).toBeUndefined()
    return error.message
  }
  expect(refusal('28P01', 'password authentication failed for user "weir"')).toBe(
    'the database refuses what Weir asks of it (SQLSTATE 28P01, password authentication failed for user "weir"): ' +
      'correct the user or the password of DATABASE_URL, then start again',
  )
  expect(refusal('XX000', 'secret')).not.toContain('secret')
  expect(refusal('23502', 'secret')).not.toContain('secret')
})
