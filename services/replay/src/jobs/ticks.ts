import type { Logger } from '@weir/runtime'
import { tickOf, type Command, type Job } from './job.ts'

export interface TicksOptions {
  readonly send: (command: Command, id: string) => Promise<void>
  readonly logger: Logger
}

const RETRY_MS = 1_000

/**
 * Sends the tick of a job when its next step is due. A slow job waits here and never inside the processor, which
 * continues with the other jobs. Ticks that are lost with the process are sent again by the next owner, one for each
 * running job.
 */
export class Ticks {
  readonly #options: TicksOptions
  readonly #timers = new Map<string, NodeJS.Timeout>()
  #isClosed = false

  constructor(options: TicksOptions) {
    this.#options = options
  }

  /** Replaces the planned tick of the job. */
  plan(job: Job, waitMs: number): void {
    this.#after(job.id, waitMs, tickOf(job))
  }

  /** Sends `expire` at intervals too, because the age of jobs depends on the time. */
  planExpiry(waitMs: number): void {
    this.#after('', waitMs, { kind: 'expire' })
  }

  drop(id: string): void {
    clearTimeout(this.#timers.get(id))
    this.#timers.delete(id)
  }

  close(): void {
    this.#isClosed = true
    for (const id of [...this.#timers.keys()]) this.drop(id)
  }

  #after(id: string, waitMs: number, command: Command): void {
    this.drop(id)
    if (this.#isClosed) return
    const send = (): void => {
      this.#timers.delete(id)
      this.#options.send(command, id).catch((error: unknown) => {
        this.#options.logger.warn(
          { job: id, error: String(error) },
          'the next step of a job cannot be sent yet',
        )
        if (!this.#timers.has(id)) this.#after(id, RETRY_MS, command)
      })
    }
    this.#timers.set(id, setTimeout(send, waitMs))
  }
}
