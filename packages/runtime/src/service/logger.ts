import { plainLines } from '@weir/contracts'
import { pino } from 'pino'

export type Logger = Pick<pino.Logger, 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'>

/** JSON lines on stdout, or in a file. Bodies, signatures and secrets are never passed to it; errors are logged by name, code and message only. */
export const createLogger = (service: string, level: string, file?: string): pino.Logger =>
  pino(
    {
      level,
      base: { service },
      timestamp: pino.stdTimeFunctions.isoTime,
      // JSON escapes what it must: not C1, bidi marks and separators of lines, which a terminal acts upon.
      hooks: { streamWrite: plainLines },
      redact: {
        paths: ['password', 'secret', 'token', 'authorization', 'headers', 'body', 'raw'],
        censor: '[redacted]',
      },
    },
    pino.destination({ ...(file === undefined ? { fd: 1 } : { dest: file, mkdir: true }), sync: true }),
  )
