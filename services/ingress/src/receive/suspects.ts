/** Processor time that invalid proofs of one sender to one source may take: a tenth of a core. */
const MS_PER_SEC = 100
/** For an address that honest senders share with others, as behind an untrusted proxy: half a core. */
const SHARED_MS_PER_SEC = 500
/** An address counts as shared for this long after an authentic request. */
const SHARED_MS = 600_000
const BURST_MS = 500
/** The most that a sender can owe, so that its wait is limited. */
const DEBT_MS_MAX = 1_000
const SENDERS_MAX = 10_000

interface Debt {
  readonly ms: number
  readonly at: number
  /** When something authentic last came from there. */
  readonly goodAt: number
}

/**
 * Processor time that senders cost before they turned out not to be authentic. It is kept for each source separately,
 * so that a sender to one source cannot lock out requests from the same address to another. `now`: ms of a monotonic
 * clock.
 */
export class Suspects {
  readonly #debts = new Map<string, Debt>()
  /** Until then some sender owes something, or too much. */
  #debtUntil = -Infinity
  #alarmUntil = -Infinity

  get size(): number {
    return this.#debts.size
  }

  charge(source: string, sender: string, ms: number, now: number): void {
    const key = keyOf(source, sender)
    const debt = this.#debts.get(key)
    const owed = Math.min(DEBT_MS_MAX, owedOf(debt, now) + ms)
    // Moves it to the end of the map, so that the sender that was charged least recently is forgotten first.
    this.#debts.delete(key)
    this.#debts.set(key, { ms: owed, at: now, goodAt: debt?.goodAt ?? -Infinity })
    if (this.#debts.size > SENDERS_MAX) this.#debts.delete(this.#debts.keys().next().value!)
    this.#debtUntil = Math.max(this.#debtUntil, now + (owed / MS_PER_SEC) * 1_000)
    if (owed > BURST_MS) this.#alarmUntil = Math.max(this.#alarmUntil, now + msUntilPaid(owed, MS_PER_SEC))
  }

  /** Something authentic arrived. `sender` is called only while there are debts. */
  vouch(source: string, sender: () => string, now: number): void {
    if (now >= this.#debtUntil) return
    const key = keyOf(source, sender())
    const debt = this.#debts.get(key)
    // In its place in the map.
    if (debt !== undefined) this.#debts.set(key, { ms: owedOf(debt, now), at: now, goodAt: now })
  }

  /**
   * Returns 0 if its request may be checked, otherwise the number of whole seconds to wait. `sender` is called only
   * while there are debts.
   */
  waitSecs(source: string, sender: () => string, now: number): number {
    if (now >= this.#alarmUntil) return 0
    const debt = this.#debts.get(keyOf(source, sender()))
    const owed = owedOf(debt, now)
    return owed > BURST_MS ? Math.ceil(msUntilPaid(owed, rateOf(debt, now)) / 1_000) : 0
  }
}

const rateOf = (debt: Debt | undefined, now: number): number =>
  debt !== undefined && now - debt.goodAt < SHARED_MS ? SHARED_MS_PER_SEC : MS_PER_SEC

const owedOf = (debt: Debt | undefined, now: number): number =>
  debt === undefined ? 0 : Math.max(0, debt.ms - ((now - debt.at) / 1_000) * rateOf(debt, now))

const msUntilPaid = (owed: number, msPerSec: number): number => ((owed - BURST_MS) / msPerSec) * 1_000

const keyOf = (source: string, sender: string): string => `${source} ${sender}`
