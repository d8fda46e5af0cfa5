import { HEADER, type DeadLetterReason } from '@weir/contracts'
import type { InputRecord } from '@weir/kafka'
import type { Logger } from '@weir/service-kit'
import type { MappedEvent } from './steps/map-event.ts'

/** Names of a log line for each event, as one or the other of S2's programs had them. */
const NAMES = {
  processed: { processed: 'webhook.processed', failed: 'webhook.failed' },
  success: { processed: 'webhook.success', failed: 'webhook.error' },
} as const

export const EVENT_LOGS = ['off', 'processed', 'success'] as const
export type EventLogStyle = (typeof EVENT_LOGS)[number]

interface Line {
  readonly interactionId: string | undefined
  readonly channelType: string | null
  /** From intake to here. */
  readonly latencyMs: number
  readonly status: 'processed' | 'failed'
  readonly reason?: DeadLetterReason
}

/** The lines of one transaction: written once it is committed, so none is there for what did not happen. */
export class EventLines {
  readonly #logger: Logger
  readonly #style: EventLogStyle
  readonly #lines: Line[] = []

  constructor(logger: Logger, style: EventLogStyle) {
    this.#logger = logger
    this.#style = style
  }

  processed({ interactionId, channel, receivedAt }: MappedEvent, now: number): void {
    if (this.#style === 'off') return
    this.#lines.push({
      ...{ interactionId, channelType: channel, latencyMs: now - receivedAt, status: 'processed' },
    })
  }

  failed({ headers, timestamp }: InputRecord, reason: DeadLetterReason, now: number): void {
    if (this.#style === 'off') return
    const interactionId = headers[HEADER.interactionId]?.toString()
    this.#lines.push({
      ...{ interactionId, channelType: null, latencyMs: now - timestamp, status: 'failed', reason },
    })
  }

  write(): void {
    if (this.#style === 'off') return
    const names = NAMES[this.#style]
    for (const line of this.#lines) {
      this.#logger[line.status === 'failed' ? 'warn' : 'info'](line, names[line.status])
    }
  }
}
