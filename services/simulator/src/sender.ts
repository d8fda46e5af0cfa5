import { backOffMs } from '@weir/contracts'
import type { Logger } from '@weir/runtime'
import type { OperationResult, TruthLedger } from '@weir/truth'
import { Pool, type Dispatcher } from 'undici'
import type { Shipment } from './shipment.ts'

export interface SenderCounts {
  /** Requests that were sent, including retries. */
  sent: number
  /** Requests with a 2xx response. */
  accepted: number
  /** Malformed requests that ingress stored and then refused with 400. */
  rejected: number
  /** Forged requests that ingress refused. */
  refused: number
  /** Correctly signed requests with a 4xx response: the simulator and ingress disagree about sources or secrets. */
  mismatches: number
  failed: number
  unknown: number
}

const CONNECTIONS = 64
const ANSWER_MS_MAX = 20_000
const BACK_OFF = { firstMs: 500, maxMs: 8_000 }
/** Providers make about as many attempts before they disable a webhook. */
const ATTEMPTS_MAX = 6
const NOT_SENT = new Set(['ECONNREFUSED', 'UND_ERR_CONNECT_TIMEOUT'])

const NO_COUNTS = { sent: 0, accepted: 0, rejected: 0, refused: 0, mismatches: 0, failed: 0, unknown: 0 }
/** Statuses with which ingress asks for a retry. */
const COME_AGAIN = new Set([408, 425, 429])
const MISMATCH_KINDS_MAX = 20

/** Sends requests, records each in the ledger before it is sent, and retries after a bad response. */
export class Sender {
  readonly counts: SenderCounts = { ...NO_COUNTS }
  readonly #pool: Pool
  readonly #ledger: TruthLedger
  readonly #logger: Logger
  readonly #retries = new Map<NodeJS.Timeout, () => void>()
  #isClosed = false
  #inFlight = 0
  /** Number of wrongly refused requests, by source and status. */
  readonly #mismatches = new Map<string, number>()
  #idle: (() => void) | undefined

  constructor(targetUrl: string, ledger: TruthLedger, logger: Logger) {
    this.#ledger = ledger
    this.#logger = logger
    this.#pool = new Pool(targetUrl, {
      connections: CONNECTIONS,
      pipelining: 1,
      headersTimeout: ANSWER_MS_MAX,
      bodyTimeout: ANSWER_MS_MAX,
    })
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /** One text for each source and status, with the number of requests. */
  mismatches(): readonly string[] {
    return [...this.#mismatches].map(([what, count]) => `${count} requests of ${what}`)
  }

  send(shipments: readonly Shipment[], attempt = 1): void {
    const ids = this.#ledger.intend(shipments.map(({ operation }) => operation))
    for (const [index, shipment] of shipments.entries()) void this.#sendOne(shipment, ids[index]!, attempt)
  }

  /** Sends one request without retries. */
  async deliver(shipment: Shipment): Promise<OperationResult> {
    const [id] = this.#ledger.intend([shipment.operation])
    const result = await this.#sendOnce(shipment, id!)
    this.#ledger.flush()
    return result
  }

  /** Resolves when no request is in flight and no retry is waiting, or after `waitMs`. */
  async drain(waitMs: number): Promise<void> {
    if (this.#inFlight + this.#retries.size === 0) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs)
      this.#idle = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** Closes the connections. The result of requests in flight is unknown, and nothing is retried. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const timer of this.#retries.keys()) clearTimeout(timer)
    this.#retries.clear()
    await this.#pool.destroy()
  }

  async #sendOne(shipment: Shipment, id: string, attempt: number): Promise<void> {
    const result = await this.#sendOnce(shipment, id)
    if (result === 'failed' || result === 'unknown') this.#retry(shipment, attempt)
    this.#checkIdle()
  }

  async #sendOnce(shipment: Shipment, id: string): Promise<OperationResult> {
    this.#inFlight += 1
    this.counts.sent += 1
    let result: OperationResult
    try {
      const { path, headers, raw } = shipment
      const response: Dispatcher.ResponseData = await this.#pool.request({
        method: 'POST',
        path,
        headers,
        body: raw,
      })
      await response.body.dump()
      result = this.#judge(shipment, response.statusCode)
    } catch (error) {
      result = NOT_SENT.has((error as { code?: string }).code ?? '') ? 'failed' : 'unknown'
    }
    this.#count(shipment, result)
    this.#ledger.finish(id, result)
    this.#inFlight -= 1
    return result
  }

  #judge({ operation }: Shipment, status: number): OperationResult {
    if (status >= 200 && status < 300) return 'acked'
    if (operation.kind === 'malformed' && status === 400) return 'acked'
    if (operation.kind === 'forged' && status >= 400 && status < 500) return 'refused'
    if (status >= 500 || COME_AGAIN.has(status)) return 'unknown'
    this.#countMismatch(operation.source, status)
    return 'refused'
  }

  #countMismatch(source: string, status: number): void {
    this.counts.mismatches += 1
    const what = `${source} got status ${status}`
    const count = this.#mismatches.get(what)
    if (count === undefined && this.#mismatches.size >= MISMATCH_KINDS_MAX) return
    this.#mismatches.set(what, (count ?? 0) + 1)
    if (count === undefined) {
      this.#logger.error(
        { source, status },
        'ingress refuses valid requests: compare its SOURCES_FILE and secrets with those of the simulator',
      )
    }
  }

  #count({ operation }: Shipment, result: OperationResult): void {
    // Wrongly refused requests are counted where they are reported.
    if (result === 'refused' && operation.kind !== 'forged') return
    if (result !== 'acked') this.counts[result] += 1
    else if (operation.kind === 'malformed' && operation.source !== 'cxone') this.counts.rejected += 1
    else this.counts.accepted += 1
  }

  #retry(shipment: Shipment, attempt: number): void {
    if (attempt >= ATTEMPTS_MAX || this.#isClosed) return
    const retry = () => {
      this.#retries.delete(timer)
      this.send([shipment], attempt + 1)
    }
    const timer = setTimeout(retry, backOffMs(attempt, BACK_OFF))
    this.#retries.set(timer, retry)
  }

  #checkIdle(): void {
    if (this.#inFlight + this.#retries.size === 0) this.#idle?.()
  }
}
