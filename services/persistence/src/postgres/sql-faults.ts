import pg from 'pg'
import { SinkFaultError, SinkUnavailableError } from '../row-sink.ts'

/** What an error of the database asks for; whoever meets it acts. */
export type SqlFault =
  /** The database is away or busy: the same once more, later. */
  | 'away'
  /** Somebody else holds a lock: the same later, and other rows now. */
  | 'locked'
  /** The statement takes too long or too much: with fewer rows it may pass. */
  | 'too_much'
  /** A row is refused for its content. */
  | 'content'
  /** Our statement, our rights or the server is at fault: a person must look. */
  | 'stop'

/** By SQLSTATE: what differs from its class. */
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

/** By the first two characters. */
const CLASSES: Readonly<Record<string, SqlFault>> = {
  '08': 'away', // connection
  '09': 'content', // an action that a trigger took
  '22': 'content', // data
  '23': 'content', // integrity; our own unique keys are never violated: ON CONFLICT
  '40': 'away', // rolled back: serialisation, deadlock
  '44': 'content', // a view's check option
  '53': 'away', // no connection, disk or memory is left
  '54': 'content', // limits of the server: a row too large for an index, JSON too deep
  '72': 'away', // the snapshot is too old
  P0: 'content', // RAISE EXCEPTION in a trigger
}

/** Classes that PostgreSQL gives to itself beyond those of the SQL standard. */
const OWN_CLASSES = new Set(['53', '54', '55', '57', '58', '72', 'HV', 'P0', 'XX'])
/** What the standard leaves free; and 45, which many programs take for errors of their own. */
const FREE_CLASS = /^(?:[5-9I-Z]|45)/

/** Of the system, from the connection. */
const CONNECTION_CODES = new Set([
  ...['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'ENOENT'],
  ...['EHOSTUNREACH', 'EHOSTDOWN', 'ENETUNREACH', 'ENETDOWN', 'EADDRNOTAVAIL', 'EMFILE', 'ENFILE'],
])
/** Of pg, which gives its own errors no code. */
const CONNECTION_MESSAGES = new Set([
  ...['Connection terminated', 'Connection terminated unexpectedly', 'timeout expired'],
  ...['Connection terminated due to connection timeout', 'timeout exceeded when trying to connect'],
  ...['Client has encountered a connection error and is not queryable'],
  ...['Client was closed and is not queryable'],
])
/** What a server or a pooler before it says of the settings of the connection, whatever the code; poolers have one for all. */
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

/** Of TLS: the certificate of the server is not one that this machine trusts. */
const TLS_CODE = /CERT|ERR_TLS|ERR_SSL|UNABLE_TO_/

/** Whether the error is about how to connect, and no row can be quoted in it. */
const isOfConnection = (error: Error): boolean => {
  if (error instanceof pg.DatabaseError) return /^(?:08|28|3D)/.test(error.code ?? '')
  const { code } = error as { code?: string }
  return code === undefined || TLS_CODE.test(code)
}

/** No answer within `query_timeout`, which is longer than the server's own time-out. */
const READ_TIMEOUT = 'Query read timeout'

/** By SQLSTATE: what a trigger or a function raises with a state of its own is about the row. */
export const faultOfState = (state: string): SqlFault => {
  const sqlClass = state.slice(0, 2)
  const isCustom = FREE_CLASS.test(sqlClass) && !OWN_CLASSES.has(sqlClass)
  return CODES[state] ?? CLASSES[sqlClass] ?? (isCustom ? 'content' : 'stop')
}

/** undefined: not an error of the database or the connection to it. */
export const sqlFaultOf = (error: unknown): SqlFault | undefined => {
  if (!(error instanceof Error)) return undefined
  if (isOfConnection(error) && refusedConnection(error) !== undefined) return 'stop'
  if (error instanceof pg.DatabaseError) return faultOfState(error.code ?? '')
  if (error.message === READ_TIMEOUT) return 'too_much'
  const { code } = error as { code?: string }
  if (code !== undefined && TLS_CODE.test(code)) return 'stop'
  const isAway = code === undefined ? CONNECTION_MESSAGES.has(error.message) : CONNECTION_CODES.has(code)
  return isAway ? 'away' : undefined
}

/** The SQLSTATE or the system's code: the server's own text may quote the row. */
export const stateOf = (error: unknown): string =>
  error instanceof pg.DatabaseError ? `SQLSTATE ${error.code ?? 'unknown'}` : codeOf(error)

const codeOf = (error: unknown): string => (error as { code?: string }).code ?? 'no answer'

/** Classes whose texts speak of roles, databases and tables, never of a row. */
const TOLD_CLASSES = new Set(['28', '3D', '3F', '42'])
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

/** What a caller that cannot write fewer rows rejects with. Errors that are not the database's stay what they are. */
export const sinkErrorOf = (error: unknown): unknown => {
  if (error instanceof SinkUnavailableError || error instanceof SinkFaultError) return error
  const fault = sqlFaultOf(error)
  if (fault === undefined) return error
  const state = stateOf(error)
  if (fault === 'away' || fault === 'locked' || fault === 'too_much') {
    return new SinkUnavailableError(`the database does not answer (${state})`, { cause: error })
  }
  const code = codeOf(error)
  const sqlClass = code.slice(0, 2)
  const refused = isOfConnection(error as Error)
    ? (refusedConnection(error as Error) ?? (TLS_CODE.test(code) ? TLS_REMEDY : undefined))
    : undefined
  const isTold = refused !== undefined || TOLD_CLASSES.has(sqlClass)
  const told = isTold ? `, ${(error as Error).message}` : ''
  const remedy =
    refused ?? REMEDIES[code] ?? REMEDIES[sqlClass] ?? 'see the table of SQLSTATE in the manual of PostgreSQL'
  // Without the cause: it may quote a row, and errors are logged.
  return new SinkFaultError(
    `the database refuses what Weir asks of it (${state}${told}): ${remedy}, then start again`,
  )
}
