import { HEADER, type DeadLetterReason } from '@weir/contracts'
import type { InputRecord } from '@weir/kafka'
import type { Logger } from '@weir/runtime'
import type { MappedEvent } from './steps/map-event.ts'

/** Log event names of S2's two programs. */
const NAMES = {
  processed: { processed: 'webhook.processed', failed: 'webhook.failed' },
  success: { processed: 'webhook.success', failed: 'webhook.error' },
} as const

export const EVENT_LOGS = ['off', 'processed', 'success'] as const
export type EventLogStyle = (typeof EVENT_LOGS)[number]

interface Line {
  readonly interactionId: string | undefined
  readonly channelType: string | null
  /** When the webhook was received, epoch ms, on the clock of ingress; of the broker when the header is invalid. */
  readonly since: number
  readonly failure?: { readonly error: string; readonly reason: DeadLetterReason }
}

/** Log lines of one transaction, written after the commit, so that an aborted transaction leaves no lines. */
export class EventLines {
  readonly #logger: Logger
  readonly #style: EventLogStyle
  readonly #lines: Line[] = []

  constructor(logger: Logger, style: EventLogStyle) {
    this.#logger = logger
    this.#style = style
  }

  processed({ interactionId, channel, receivedAt }: MappedEvent): void {
    if (this.#style === 'off') return
    this.#lines.push({ interactionId, channelType: channel, since: receivedAt })
  }

  /** `error` is that of the dead letter, which never quotes a body. */
  failed({ headers, timestamp }: InputRecord, reason: DeadLetterReason, error: string): void {
    if (this.#style === 'off') return
    const receivedAt = Number(headers[HEADER.receivedAt]?.toString() ?? NaN)
    this.#lines.push({
      interactionId: headers[HEADER.interactionId]?.toString(),
      channelType: null,
      since: Number.isSafeInteger(receivedAt) ? receivedAt : timestamp,
      failure: { error, reason },
    })
  }

  /** `now` is the time of the commit. Latencies run from ingress to it. */
  write(now: number): void {
    if (this.#style === 'off') return
    const names = NAMES[this.#style]
    for (const { since, failure, ...facts } of this.#lines) {
      const event = names[failure ? 'failed' : 'processed']
      const status = failure ? 'failure' : 'success'
      const line = { event, ...facts, latencyMs: Math.max(0, now - since), status, ...failure }
      this.#logger[failure ? 'warn' : 'info'](line, event)
    }
  }
}
