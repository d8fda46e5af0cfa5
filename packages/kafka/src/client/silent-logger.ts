import type { KafkaLogger } from './settings.ts'

/** For short-lived tools whose errors reach the caller. */
export const silentLogger: KafkaLogger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
}
