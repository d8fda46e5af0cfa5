import { isExplained } from '../client/errors.ts'
import type { KafkaLogger } from '../client/settings.ts'

const REPEAT_MS = 600_000

/** Logs why a partition is parked: a new reason at once, an unchanged one every ten minutes. */
export class ParkedLines {
  #said = ''
  #saidAt = 0

  write(logger: KafkaLogger, partition: number, error: Error): void {
    const now = performance.now()
    const isRepeat = error.message === this.#said && now - this.#saidAt < REPEAT_MS
    if (!isRepeat) {
      this.#said = error.message
      this.#saidAt = now
    }
    const text = `partition ${partition} is parked, the others go on: ${error.message}`
    const fields = isExplained(error) ? { partition } : { partition, err: error }
    logger[isRepeat ? 'debug' : 'error'](fields, text)
  }
}
