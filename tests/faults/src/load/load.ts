import type { OperationResult, TruthLedger } from '@weir/truth'
import { Pool } from 'undici'
import { Random } from '../random.ts'
import { DueQueue } from './due-queue.ts'
import type { Shipment } from './shipment.ts'
import { Traffic } from './traffic.ts'

export interface LoadOptions {
  readonly seed: number
  /** In every id of this run. */
  readonly run: string
  /** Different events; repeats and retries come on top. More are sent, slowly, while it is not released. */
  readonly events: number
  /** Requests per second at most. */
  readonly rate: number
  /** Of the events, those that are sent a second time: half at once, half after `lateAfterMs`. */
  readonly duplicates: number
  readonly lateAfterMs: number
  /** Ingress, several: requests take turns. */
  readonly targets: readonly string[]
  readonly ledger: TruthLedger
}

export interface LoadCounts {
  /** Requests sent. */
  sent: number
  ok: number
  info: number
  fail: number
  /** 503 with Retry-After: the brokers did not acknowledge in time. */
  overBudget: number
  /** Answers that no request of ours may get, by status. */
  readonly surprises: Map<number, number>
}

interface Due {
  readonly shipment: Shipment
  readonly attempt: number
}

const TICK_MS = 5
const BURST_SECS_MAX = 0.1
const CONNECTIONS = 64
/** No more than there are connections: what waits for one would only wait longer. */
const IN_FLIGHT_MAX = 128
const ANSWER_MS_MAX = 15_000
const SOON_MS_MAX = 500
const RETRY_MS = 400
const RETRY_MS_MAX = 5_000
/** Two to three minutes: providers go on for longer, but not so dense. */
const ATTEMPTS_MAX = 40
/** What goes on when all events are sent and faults are still to come: they must meet traffic. */
const EXTRA_RATE = 100
const REFUSED = new Set(['ECONNREFUSED', 'UND_ERR_CONNECT_TIMEOUT'])

/** Sends the events as providers do: each noted in the ledger first, and again when the answer is not good. */
export class Load {
  readonly counts: LoadCounts = { sent: 0, ok: 0, info: 0, fail: 0, overBudget: 0, surprises: new Map() }
  readonly #options: LoadOptions
  readonly #traffic: Traffic
  readonly #random: Random
  readonly #pools: readonly Pool[]
  readonly #due = new DueQueue<Due>()
  readonly #finished = Promise.withResolvers<undefined>()
  #timer: NodeJS.Timeout | undefined
  #created = 0
  #inFlight = 0
  #owed = 0
  #tickedAt = 0
  #turn = 0
  #isReleased = false

  constructor(options: LoadOptions) {
    this.#options = options
    this.#traffic = new Traffic(options.seed, options.run)
    this.#random = new Random(options.seed, 'repeats')
    this.#pools = options.targets.map(
      (target) =>
        new Pool(target, {
          ...{ connections: CONNECTIONS, pipelining: 1, connectTimeout: 2_000 },
          ...{ headersTimeout: ANSWER_MS_MAX, bodyTimeout: ANSWER_MS_MAX },
        }),
    )
  }

  /** Resolves when every request has its last answer. */
  get finished(): Promise<undefined> {
    return this.#finished.promise
  }

  /** Different events sent so far. */
  get created(): number {
    return this.#created
  }

  /** Of the events that were asked for, those that have been sent a first time: 0 to 1. */
  get progress(): number {
    return Math.min(1, this.#created / this.#options.events)
  }

  get waiting(): number {
    return this.#due.size + this.#inFlight
  }

  start(): void {
    this.#tickedAt = performance.now()
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
  }

  /** No more than the events that were asked for are needed. */
  release(): void {
    this.#isReleased = true
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all(this.#pools.map((pool) => pool.destroy()))
  }

  #tick(): void {
    const now = performance.now()
    const { rate, events, ledger } = this.#options
    const isExtra = this.#created >= events
    const perSecond = isExtra && !this.#isReleased ? Math.min(rate, EXTRA_RATE) : rate
    this.#owed = Math.min(
      this.#owed + ((now - this.#tickedAt) / 1_000) * perSecond,
      Math.max(1, perSecond * BURST_SECS_MAX),
    )
    this.#tickedAt = now
    const batch: Due[] = []
    while (this.#owed >= 1 && this.#inFlight + batch.length < IN_FLIGHT_MAX) {
      const due = this.#next(now)
      if (due === undefined) break
      batch.push(due)
      this.#owed -= 1
    }
    const ids = ledger.intend(batch.map(({ shipment }) => shipment.operation))
    for (const [index, due] of batch.entries()) void this.#send(due, ids[index]!)
    ledger.flush()
    if (isExtra && this.#isReleased && this.waiting === 0) this.#finished.resolve(undefined)
  }

  #next(now: number): Due | undefined {
    const due = this.#due.take(now)
    if (due !== undefined) return due
    const { events, duplicates, lateAfterMs } = this.#options
    if (this.#created >= events && this.#isReleased) return undefined
    this.#created += 1
    const [shipment, contradiction] = this.#traffic.next()
    const random = this.#random
    if (random.chance(duplicates)) {
      const delayMs = random.chance(0.5) ? random.between(0, SOON_MS_MAX) : lateAfterMs
      this.#due.add(now + delayMs, { shipment: shipment!, attempt: 1 })
    }
    if (contradiction !== undefined) {
      this.#due.add(now + random.between(0, SOON_MS_MAX), { shipment: contradiction, attempt: 1 })
    }
    return { shipment: shipment!, attempt: 1 }
  }

  async #send({ shipment, attempt }: Due, id: string): Promise<void> {
    this.#inFlight += 1
    this.counts.sent += 1
    const pool = this.#pools[this.#turn++ % this.#pools.length]!
    let result: OperationResult
    try {
      const { path, headers, raw } = shipment
      const {
        statusCode,
        headers: answered,
        body,
      } = await pool.request({ method: 'POST', path, headers, body: raw })
      await body.dump()
      result = this.#judge(shipment, statusCode, answered['retry-after'] !== undefined)
    } catch (error) {
      result = REFUSED.has((error as { code?: string }).code ?? '') ? 'failed' : 'unknown'
    }
    this.#options.ledger.finish(id, result)
    this.#inFlight -= 1
    if (result === 'acked') this.counts.ok += 1
    else if (result === 'unknown') this.counts.info += 1
    else this.counts.fail += 1
    if ((result === 'failed' || result === 'unknown') && attempt < ATTEMPTS_MAX) {
      const waitMs = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** (attempt - 1)) * (0.5 + Math.random())
      this.#due.add(performance.now() + waitMs, { shipment, attempt: attempt + 1 })
    }
  }

  #judge({ operation: { kind } }: Shipment, status: number, hasRetryAfter: boolean): OperationResult {
    if (status === 503 && hasRetryAfter) {
      this.counts.overBudget += 1
      return 'unknown'
    }
    // Forged requests are refused by 401 alone; a malformed one is kept, and then answered by 200 or 400.
    if (kind === 'forged' && status === 401) return 'refused'
    if (kind === 'event' && status === 200) return 'acked'
    if (kind === 'malformed' && (status === 200 || status === 400)) return 'acked'
    this.counts.surprises.set(status, (this.counts.surprises.get(status) ?? 0) + 1)
    // 400 to a good event would be a loss to the provider; nothing is known of what a 5xx has done.
    return status >= 500 ? 'unknown' : 'refused'
  }
}
