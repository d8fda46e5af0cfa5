import { plainLines } from '@weir/contracts'
import { pino } from 'pino'

export type Logger = Pick<pino.Logger, 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'>

/**
 * Less than what pino logs of an error: other fields and causes may quote a row, a statement or a response, and those
 * of PostgreSQL do.
 */
const describeError = (error: unknown) => {
  if (!(error instanceof Error)) return { type: typeof error }
  const { code } = error as { readonly code?: unknown }
  return {
    type: error.name,
    message: error.message,
    stack: error.stack,
    ...(typeof code === 'string' && { code }),
  }
}

/**
 * Logs JSON lines to stdout or a file. Never pass it bodies, signatures or secrets; errors are logged by name, code
 * and message only.
 */
export const createLogger = (service: string, level: string, file?: string): pino.Logger =>
  pino(
    {
      level,
      base: { service },
      timestamp: pino.stdTimeFunctions.isoTime,
      // JSON leaves C1 controls, bidi marks and line separators as they are, and a terminal acts on them.
      hooks: { streamWrite: plainLines },
      serializers: { err: describeError },
      redact: {
        paths: ['password', 'secret', 'token', 'authorization', 'headers', 'body', 'raw'],
        censor: '[redacted]',
      },
    },
    pino.destination({ ...(file === undefined ? { fd: 1 } : { dest: file, mkdir: true }), sync: true }),
  )
