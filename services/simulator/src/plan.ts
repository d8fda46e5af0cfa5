import { Random } from '@weir/truth'
import type { SimulatorConfig } from './config.ts'
import { driftOf } from './drift.ts'
import { PayloadMaker } from './payloads.ts'
import { packEvent, packForged, packMalformed, type Shipment } from './shipment.ts'

const MALFORMED = 0.01
const FORGED = 0.01
const CONFLICT = 0.005
const REORDERED = 0.05
const SOON_MS_MAX = 500

interface Planned {
  readonly dueAt: number
  readonly shipment: Shipment
}

/**
 * Decides what to send next: new events, immediate and late repeats, and a few out of order, malformed, forged or in
 * conflict.
 */
export class Plan {
  readonly #config: SimulatorConfig
  readonly #random: Random
  readonly #payloads: PayloadMaker
  readonly #run: string
  /** Ordered by due time, because all have the same delay. */
  readonly #late: Planned[] = []
  #soon: Planned[] = []
  #specials = 0

  constructor(config: SimulatorConfig, run: string) {
    this.#config = config
    this.#run = run
    this.#random = new Random(config.seed)
    this.#payloads = new PayloadMaker(this.#random, run)
  }

  /** The next request at the time `now`, epoch ms. */
  next(now: number): Shipment {
    const due = this.#takeDue(now)
    if (due !== undefined) return due
    const random = this.#random
    if (random.chance(MALFORMED)) {
      return packMalformed(
        this.#config,
        random.pick(['cxone', 'cognigy', 'cxone-dataaction', 'nice']),
        this.#specialId(),
      )
    }
    if (random.chance(FORGED)) {
      return packForged(this.#config, random.pick(['cxone', 'cxone-dataaction', 'nice']), this.#specialId())
    }
    const { source, body, altered } = this.#payloads.make(new Date(now))
    const sent = random.chance(this.#config.drift) ? driftOf(body, random) : body
    const shipment = packEvent(this.#config, source, sent)
    this.#planRepeats(shipment, now)
    if (altered !== undefined && random.chance(CONFLICT)) {
      this.#soon.push({ dueAt: now + SOON_MS_MAX, shipment: packEvent(this.#config, source, altered) })
    }
    if (!random.chance(REORDERED)) return shipment
    // Later events overtake this one.
    this.#soon.push({ dueAt: now + random.below(SOON_MS_MAX), shipment })
    return this.next(now)
  }

  /** Whether a repeat is due, to keep the configured fraction of all requests. */
  #planRepeats(shipment: Shipment, now: number): void {
    const { duplicates, lateAfterSecs } = this.#config
    const perEvent = duplicates / (1 - duplicates)
    const count = Math.floor(perEvent) + (this.#random.chance(perEvent % 1) ? 1 : 0)
    for (let i = 0; i < count; i++) {
      if (this.#random.chance(0.5)) this.#late.push({ dueAt: now + lateAfterSecs * 1_000, shipment })
      else this.#soon.push({ dueAt: now + this.#random.below(SOON_MS_MAX), shipment })
    }
  }

  #takeDue(now: number): Shipment | undefined {
    if (this.#late.length > 0 && this.#late[0]!.dueAt <= now) return this.#late.shift()!.shipment
    const index = this.#soon.findIndex(({ dueAt }) => dueAt <= now)
    if (index < 0) return undefined
    return this.#soon.splice(index, 1)[0]!.shipment
  }

  #specialId(): string {
    return `${this.#run}-special-${this.#specials++}`
  }
}
