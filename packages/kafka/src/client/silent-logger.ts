import type { KafkaLogger } from './settings.ts'

/** For short-lived tools, which report errors to their caller. */
export const silentLogger: KafkaLogger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
}
