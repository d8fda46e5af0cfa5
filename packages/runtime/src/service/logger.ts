import { plainLines } from '@weir/contracts'
import { pino } from 'pino'

export type Logger = Pick<pino.Logger, 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'>

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
      redact: {
        paths: ['password', 'secret', 'token', 'authorization', 'headers', 'body', 'raw'],
        censor: '[redacted]',
      },
    },
    pino.destination({ ...(file === undefined ? { fd: 1 } : { dest: file, mkdir: true }), sync: true }),
  )
