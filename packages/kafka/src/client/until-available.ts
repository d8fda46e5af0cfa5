import { setTimeout as sleep } from 'node:timers/promises'
import { backOffMs, jittered } from '@weir/contracts'
import { kafkaErrorType } from './kafka-client.ts'
import { RetriableError } from './errors.ts'
import type { KafkaLogger } from './settings.ts'

const BACK_OFF = { firstMs: 200, maxMs: 5_000 }
const REPORT_MS = 10_000

/** Temporary errors that kafkajs itself does not retry. */
const AWAY = new Set(['KafkaJSTimeout', 'KafkaJSLockTimeout', 'KafkaJSGroupCoordinatorNotFound'])

/** True for temporary errors: no broker is reachable, no leader is elected, or a request timed out. */
const isAway = (error: unknown): boolean => {
  for (let current = error; current instanceof Error; current = current.cause) {
    if (current instanceof RetriableError || AWAY.has(current.name)) return true
    if ((current as { retriable?: boolean }).retriable === true) return true
  }
  return false
}

export interface Waiting {
  readonly logger: KafkaLogger
  readonly signal?: AbortSignal | undefined
  /** Whether to reject with an error that is temporary elsewhere. */
  readonly isFinal?: (error: unknown) => boolean
}

/**
 * Repeats `ask` until it succeeds, with a back-off from 0.2 to 5 s. Logs the first failure at once, then one line every
 * 10 s. Rejects with any error that is not temporary, and with the reason of an aborted signal.
 */
export const untilAvailable = async <T>(
  what: string,
  ask: () => Promise<T>,
  { logger, signal, isFinal }: Waiting,
): Promise<T> => {
  let reportAt = 0
  for (let failures = 1; ; failures++) {
    signal?.throwIfAborted()
    try {
      return await ask()
    } catch (error) {
      if (!isAway(error) || isFinal?.(error)) throw error
      if (performance.now() >= reportAt) {
        reportAt = performance.now() + REPORT_MS
        logger.warn({ failures, error: kafkaErrorType(error) }, `${what}: waiting for Kafka`)
      }
    }
    await sleep(jittered(backOffMs(failures, BACK_OFF), Math.random()), undefined, {
      ...(signal && { signal }),
    })
  }
}
