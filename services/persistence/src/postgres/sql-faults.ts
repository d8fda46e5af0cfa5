import pg from 'pg'
import { SinkFaultError, SinkUnavailableError } from '@weir/row-sink'

/** How to react to an error of the database. */
export type SqlFault =
  /** The database is unavailable or busy. Write the same rows later. */
  | 'away'
  /** Another session holds a lock. Write these rows later, and other rows now. */
  | 'locked'
  /** The statement takes too much time or memory. Write fewer rows. */
  | 'too_much'
  /** The database refuses a row for its content. */
  | 'content'
  /** Our statement, our rights or the server is at fault. An operator must act. */
  | 'stop'

/** SQLSTATEs that differ from their class. */
const CODES: Readonly<Record<string, SqlFault>> = {
  '25006': 'away', // read only: after a failover this server is the standby
  '25P03': 'away', // the session was idle in a transaction
  '25P04': 'too_much', // transaction_timeout
  '40002': 'content', // an integrity constraint, at the commit
  '53200': 'too_much', // no memory for this statement
  '53400': 'too_much', // such as temp_file_limit
  '55006': 'away', // an object is in use
  '55P03': 'locked', // lock_timeout, or NOWAIT
  '57014': 'too_much', // statement_timeout, or an administrator's cancel
  '57P01': 'away', // the server shuts down,
  '57P02': 'away', // after a crash,
  '57P03': 'away', // or starts up
  '57P05': 'away', // the session was idle
  HV00N: 'away', // a trigger's foreign server is away
}

/** Every class (first two characters) of https://www.postgresql.org/docs/current/errcodes-appendix.html. */
const CLASSES: Readonly<Record<string, SqlFault>> = {
  '00': 'stop', // success, which is no error
  '01': 'stop', // a warning, which is no error
  '02': 'stop', // no data, which is no error
  '03': 'stop', // our statement is not complete
  '08': 'away', // connection
  '09': 'content', // an action that a trigger took
  '0A': 'stop', // the server lacks a feature
  '0B': 'stop', // our transaction was not begun
  '0F': 'stop', // locators, which we do not use
  '0L': 'stop', // who may grant
  '0P': 'stop', // roles
  '0Z': 'content', // diagnostics, which only functions ask for
  '10': 'content', // XQuery, which only functions use
  '20': 'content', // a function's CASE lacks the case
  '21': 'stop', // our statement gives several rows where one must be
  '22': 'content', // data
  '23': 'content', // integrity; our own unique keys are never violated: ON CONFLICT
  '24': 'stop', // cursors, which we do not use
  '25': 'stop', // the state of our transaction
  '26': 'stop', // prepared statements, which we do not use
  '27': 'content', // a trigger has changed the row that is being changed
  '28': 'stop', // the user or the password
  '2B': 'stop', // rights that others depend on
  '2D': 'stop', // the end of our transaction
  '2F': 'content', // an SQL function
  '34': 'stop', // cursors, which we do not use
  '38': 'content', // inside an external function
  '39': 'content', // how an external function, or a trigger, was called and what it returned
  '3B': 'stop', // savepoints, which we do not use
  '3D': 'stop', // the database
  '3F': 'stop', // the schema
  '40': 'away', // rolled back: serialisation, deadlock
  '42': 'stop', // our statement, our tables or our rights
  '44': 'content', // a view's check option
  '53': 'away', // no connection, disk or memory is left
  '54': 'content', // limits of the server: a row too large for an index, JSON too deep
  '55': 'stop', // an object is not in the state that the statement needs
  '57': 'stop', // an operator has intervened
  '58': 'stop', // the server's files and operating system
  '72': 'away', // the snapshot is too old
  F0: 'stop', // the server's configuration
  HV: 'stop', // foreign tables
  P0: 'content', // RAISE EXCEPTION in a trigger
  XX: 'stop', // the server's own fault
}

/** Classes that the standard reserves for states of applications, and 45, which many applications use. */
const FREE_CLASS = /^(?:[5-9I-Z]|45)/
/** A function that raises one of these asks for a retry. */
const RETRY_ASKED = new Set(['40001', '40P01', '55P03'])
/** Damaged data, for which no row is to blame. */
const DAMAGED = new Set(['XX001', 'XX002'])

/** Codes of the operating system for a broken connection. */
const CONNECTION_CODES = new Set([
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
])
/** Messages of pg, whose own errors have no code. */
const CONNECTION_MESSAGES = new Set([
  'Connection terminated',
  'Connection terminated unexpectedly',
  'timeout expired',
  'Connection terminated due to connection timeout',
  'timeout exceeded when trying to connect',
  'Client has encountered a connection error and is not queryable',
  'Client was closed and is not queryable',
])
/** Refusals of a connection for its settings, by message, because poolers use one code for all of them. */
const REFUSED_CONNECTIONS: readonly (readonly [message: RegExp, remedy: string])[] = [
  [
    /startup parameter/i,
    'take the parameter out of DATABASE_URL, or let the pooler pass it over (ignore_startup_parameters)',
  ],
  [/no such database|database .* does not exist/i, 'correct the database of DATABASE_URL'],
  [
    /no such user|auth(?:entication)? failed|^SASL[:_ ]|password must be a string/i,
    'correct the user or the password of DATABASE_URL',
  ],
  [/does not support SSL|no encryption/i, 'correct sslmode of DATABASE_URL'],
]

const refusedConnection = ({ message }: Error): string | undefined =>
  REFUSED_CONNECTIONS.find(([pattern]) => pattern.test(message))?.[1]

/** TLS errors: this machine does not trust the certificate of the server. */
const TLS_CODE = /CERT|ERR_TLS|ERR_SSL|UNABLE_TO_/

/** Whether the error is about the connection, so that it cannot quote a row. */
const isOfConnection = (error: Error): boolean => {
  if (error instanceof pg.DatabaseError)
    return error.where === undefined && /^(?:08|28|3D)/.test(error.code ?? '')
  const { code } = error as { code?: string }
  return code === undefined || TLS_CODE.test(code)
}

/** pg had no response within `query_timeout`, which is longer than the timeout of the server. */
const READ_TIMEOUT = 'Query read timeout'

/** The reaction to a SQLSTATE of Weir's own statement. */
export const faultOfState = (state: string): SqlFault => {
  const sqlClass = state.slice(0, 2)
  return CODES[state] ?? CLASSES[sqlClass] ?? (FREE_CLASS.test(sqlClass) ? 'content' : 'stop')
}

/** The C function of PostgreSQL that runs RAISE of PL/pgSQL. It does not depend on the language of messages. */
const RAISE = 'exec_stmt_raise'
/** The C function of PostgreSQL that checks row-level security and views. */
const CHECK_OF_ROW = 'ExecWithCheckOptions'
/** How the context of a function begins, in every language of messages. */
const IN_FUNCTION = /^(?:PL\/|SQL\b)/m

/** A trigger runs for a row, so that row is to blame for its errors, whatever their SQLSTATE. */
const faultOfDatabase = ({ code = '', routine, where }: pg.DatabaseError): SqlFault => {
  const fault = faultOfState(code)
  if (routine === CHECK_OF_ROW) return 'content'
  if (routine === RAISE) return RETRY_ASKED.has(code) ? fault : 'content'
  if (fault !== 'stop' || DAMAGED.has(code)) return fault
  return IN_FUNCTION.test(where ?? '') ? 'content' : 'stop'
}

/** Undefined if the error is not one of the database or of the connection to it. */
export const sqlFaultOf = (error: unknown): SqlFault | undefined => {
  if (!(error instanceof Error)) return undefined
  if (isOfConnection(error) && refusedConnection(error) !== undefined) return 'stop'
  if (error instanceof pg.DatabaseError) return faultOfDatabase(error)
  if (error.message === READ_TIMEOUT) return 'too_much'
  const { code } = error as { code?: string }
  if (code !== undefined && TLS_CODE.test(code)) return 'stop'
  const isAway = code === undefined ? CONNECTION_MESSAGES.has(error.message) : CONNECTION_CODES.has(code)
  return isAway ? 'away' : undefined
}

/** The SQLSTATE or the code of the system, because the message of the server may quote the row. */
export const stateOf = (error: unknown): string =>
  error instanceof pg.DatabaseError ? `SQLSTATE ${error.code ?? 'unknown'}` : codeOf(error)

const codeOf = (error: unknown): string => (error as { code?: string }).code ?? 'no answer'

/** Classes whose messages name roles, databases and tables, and never quote a row. */
const QUOTABLE_CLASSES = new Set(['28', '3D', '3F', '42'])
const REMEDIES: Readonly<Record<string, string>> = {
  '28': 'correct the user or the password of DATABASE_URL',
  '3D': 'correct the database of DATABASE_URL',
  '42501': 'give the user of DATABASE_URL the right',
  '42': 'the tables or their triggers are not as Weir has made them: undo what was changed by hand',
  '58': "look into the server's log",
  XX: "look into the server's log",
}

const TLS_REMEDY =
  'give sslrootcert in DATABASE_URL the certificate that signs for the server, and the host name that it is for'

/** The error for a caller that cannot write fewer rows. Returns errors that are not of the database unchanged. */
export const sinkErrorOf = (error: unknown): unknown => {
  if (error instanceof SinkUnavailableError || error instanceof SinkFaultError) return error
  const fault = sqlFaultOf(error)
  if (fault === undefined) return error
  // No error has the cause: it may quote a row, and errors are logged.
  const state = stateOf(error)
  if (fault === 'away' || fault === 'locked' || fault === 'too_much') {
    return new SinkUnavailableError(`the database is unavailable (${state})`)
  }
  const code = codeOf(error)
  const sqlClass = code.slice(0, 2)
  const refused = isOfConnection(error as Error)
    ? (refusedConnection(error as Error) ?? (TLS_CODE.test(code) ? TLS_REMEDY : undefined))
    : undefined
  const isQuotable = refused !== undefined || QUOTABLE_CLASSES.has(sqlClass)
  const message = isQuotable ? `, ${(error as Error).message}` : ''
  const remedy =
    refused ?? REMEDIES[code] ?? REMEDIES[sqlClass] ?? 'see the table of SQLSTATE in the manual of PostgreSQL'
  return new SinkFaultError(
    `the database refuses the request (${state}${message}): ${remedy}, then start again`,
  )
}
