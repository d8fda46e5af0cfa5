import { backOffMs } from '@weir/contracts'
import { Pool } from 'undici'
import { Random, type OperationResult, type TruthLedger } from '@weir/truth'
import { DueQueue } from './due-queue.ts'
import { InFlightBound } from './in-flight-bound.ts'
import { Latency } from './latency.ts'
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
  /** How much of `rate` new events may have now, 0 to 1: less while faults or the pipeline are behind. */
  readonly share: (progress: number) => number
}

export interface LoadCounts {
  /** Requests sent. */
  sent: number
  ok: number
  info: number
  fail: number
  /** 503 with Retry-After: the brokers did not acknowledge in time. */
  overBudget: number
  /** Responses that no request of the load may get, counted by status. */
  readonly surprises: Map<number, number>
  /** Of those that are ok. */
  readonly latency: Latency
}

interface Target {
  readonly pool: Pool
  inFlight: number
  /** After a refused connection, the time of `performance.now()` until which the target is left out. */
  restsUntil: number
}

interface Due {
  readonly shipment: Shipment
  readonly attempt: number
}

const TICK_MS = 5
const BURST_SECS_MAX = 0.1
/** Of each target. */
const CONNECTIONS = 256
const ANSWER_MS_MAX = 15_000
const REST_MS = 300
const SOON_MS_MAX = 500
const BACK_OFF = { firstMs: 400, maxMs: 5_000 }
/** Two to three minutes: providers go on for longer, but not so dense. */
const ATTEMPTS_MAX = 40
/**
 * What goes on at least while faults are to come, whether all events are sent or wait for the faults: they must meet
 * traffic.
 */
const THIN_RATE = 50
const REFUSED = new Set(['ECONNREFUSED', 'UND_ERR_CONNECT_TIMEOUT'])

/** Sends events as providers do. Notes each in the ledger first, and repeats it after a bad response. */
export class Load {
  readonly counts: LoadCounts = {
    sent: 0,
    ok: 0,
    info: 0,
    fail: 0,
    overBudget: 0,
    surprises: new Map<number, number>(),
    latency: new Latency(),
  }
  readonly #options: LoadOptions
  readonly #traffic: Traffic
  readonly #random: Random
  readonly #targets: readonly Target[]
  readonly #due = new DueQueue<Due>()
  readonly #finished = Promise.withResolvers<undefined>()
  #timer: NodeJS.Timeout | undefined
  #created = 0
  /** Of each target, so that one which hangs does not hold up the other. */
  readonly #bound = new InFlightBound(CONNECTIONS)
  #owed = 0
  #newOwed = 0
  #tickedAt = 0
  #isReleased = false

  constructor(options: LoadOptions) {
    this.#options = options
    this.#traffic = new Traffic(options.seed, options.run)
    this.#random = new Random(options.seed, 'repeats')
    this.#targets = options.targets.map((target) => ({
      inFlight: 0,
      restsUntil: 0,
      pool: new Pool(target, {
        connections: CONNECTIONS,
        pipelining: 1,
        connectTimeout: 2_000,
        headersTimeout: ANSWER_MS_MAX,
        bodyTimeout: ANSWER_MS_MAX,
      }),
    }))
  }

  /** Resolves when every request has its last response. */
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
    return this.#targets.reduce((sum, { inFlight }) => sum + inFlight, this.#due.size)
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
    await Promise.all(this.#targets.map(({ pool }) => pool.destroy()))
  }

  #tick(): void {
    const now = performance.now()
    const { events, ledger } = this.#options
    const secs = (now - this.#tickedAt) / 1_000
    this.#tickedAt = now
    this.#earn(secs)
    const batch: { readonly due: Due; readonly target: Target }[] = []
    while (this.#owed >= 1) {
      const target = this.#pick(now)
      if (target === undefined) break
      const due = this.#next(now)
      if (due === undefined) break
      target.inFlight += 1
      batch.push({ due, target })
      this.#owed -= 1
    }
    const ids = ledger.intend(batch.map(({ due }) => due.shipment.operation))
    for (const [index, { due, target }] of batch.entries()) void this.#send(due, target, ids[index]!)
    ledger.flush()
    if (this.#created >= events && this.#isReleased && this.waiting === 0) this.#finished.resolve(undefined)
  }

  /** Requests that may be sent: `rate` of all of them, and of new events what the share leaves of it. */
  #earn(secs: number): void {
    const { rate, events, share } = this.#options
    const newRate = Math.min(
      rate,
      Math.max(THIN_RATE, this.#created >= events ? 0 : rate * share(this.progress)),
    )
    const earn = (owed: number, perSecond: number): number =>
      Math.min(owed + secs * perSecond, Math.max(1, perSecond * BURST_SECS_MAX))
    this.#owed = earn(this.#owed, rate)
    this.#newOwed = earn(this.#newOwed, newRate)
  }

  /** The one with the fewest requests in flight. */
  #pick(now: number): Target | undefined {
    let best: Target | undefined
    for (const target of this.#targets) {
      if (target.restsUntil > now || target.inFlight >= this.#bound.now) continue
      if (best === undefined || target.inFlight < best.inFlight) best = target
    }
    return best
  }

  #next(now: number): Due | undefined {
    const due = this.#due.take(now)
    if (due !== undefined) return due
    const { events, duplicates, lateAfterMs } = this.#options
    const isExtra = this.#created >= events
    if ((isExtra && this.#isReleased) || this.#newOwed < 1) return undefined
    this.#newOwed -= 1
    this.#created += 1
    const [shipment, contradiction] = this.#traffic.next()
    const random = this.#random
    if (random.chance(duplicates)) {
      // The end of a run would wait for late repeats of what is only sent to keep it busy.
      const isSoon = random.chance(0.5) || isExtra
      const delayMs = isSoon ? random.between(0, SOON_MS_MAX) : lateAfterMs
      this.#due.add(now + delayMs, { shipment: shipment!, attempt: 1 })
    }
    if (contradiction !== undefined) {
      this.#due.add(now + random.between(0, SOON_MS_MAX), { shipment: contradiction, attempt: 1 })
    }
    return { shipment: shipment!, attempt: 1 }
  }

  async #send({ shipment, attempt }: Due, target: Target, id: string): Promise<void> {
    this.counts.sent += 1
    const { path, headers, raw } = shipment
    const sentAt = performance.now()
    let result: OperationResult
    try {
      const answer = await target.pool.request({ method: 'POST', path, headers, body: raw })
      await answer.body.dump()
      result = this.#judge(shipment, answer.statusCode, answer.headers['retry-after'] !== undefined)
    } catch (error) {
      result = REFUSED.has((error as { code?: string }).code ?? '') ? 'failed' : 'unknown'
      if (result === 'failed') target.restsUntil = performance.now() + REST_MS
    }
    target.inFlight -= 1
    this.#options.ledger.finish(id, result)
    this.#count(result, performance.now() - sentAt)
    if ((result === 'failed' || result === 'unknown') && attempt < ATTEMPTS_MAX) {
      const waitMs = backOffMs(attempt, BACK_OFF) * (0.5 + Math.random())
      this.#due.add(performance.now() + waitMs, { shipment, attempt: attempt + 1 })
    }
  }

  #count(result: OperationResult, tookMs: number): void {
    if (result === 'acked') {
      this.counts.ok += 1
      this.counts.latency.add(tookMs)
      this.#bound.answered(tookMs)
    } else if (result === 'unknown') {
      this.counts.info += 1
      this.#bound.failed(performance.now())
    } else {
      this.counts.fail += 1
    }
  }

  #judge({ operation: { kind } }: Shipment, status: number, hasRetryAfter: boolean): OperationResult {
    if (status === 503 && hasRetryAfter) {
      this.counts.overBudget += 1
      return 'unknown'
    }
    // A forged request gets a 401 only. A malformed one is kept first and then gets a 200 or a 400.
    if (kind === 'forged' && status === 401) return 'refused'
    if (kind === 'event' && status === 200) return 'acked'
    if (kind === 'malformed' && (status === 200 || status === 400)) return 'acked'
    this.counts.surprises.set(status, (this.counts.surprises.get(status) ?? 0) + 1)
    // 400 to a good event would be a loss to the provider; nothing is known of what a 5xx has done.
    return status >= 500 ? 'unknown' : 'refused'
  }
}
