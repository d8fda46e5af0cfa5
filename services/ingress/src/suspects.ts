/** Processor time that proofs which do not hold may take of one sender to one source: a tenth of a core. */
const MS_PER_SEC = 100
const BURST_MS = 500
/** What a sender can owe at most, so that its wait is bounded. */
const DEBT_MS_MAX = 1_000
const SENDERS_MAX = 10_000

interface Debt {
  ms: number
  at: number
}

/**
 * Processor time that senders have cost before they turned out not to be authentic. Kept for each source on its own, so
 * that a sender to one cannot shut out what comes from the same address to another. `now`: ms of a clock that does not
 * go back.
 */
export class Suspects {
  readonly #debts = new Map<string, Debt>()
  /** Until then some sender owes too much. */
  #alarmUntil = -Infinity

  get size(): number {
    return this.#debts.size
  }

  charge(source: string, sender: string, ms: number, now: number): void {
    const key = keyOf(source, sender)
    const owed = Math.min(DEBT_MS_MAX, this.#owed(key, now) + ms)
    // Last in the order of the map, so that the one that was charged the longest ago is forgotten first.
    this.#debts.delete(key)
    this.#debts.set(key, { ms: owed, at: now })
    if (this.#debts.size > SENDERS_MAX) this.#debts.delete(this.#debts.keys().next().value!)
    if (owed > BURST_MS) this.#alarmUntil = Math.max(this.#alarmUntil, now + msUntilPaid(owed))
  }

  /** 0: its request may be judged. Else after so many whole seconds. `sender` is asked for only while there are such. */
  waitSecs(source: string, sender: () => string, now: number): number {
    if (now >= this.#alarmUntil) return 0
    const owed = this.#owed(keyOf(source, sender()), now)
    return owed > BURST_MS ? Math.ceil(msUntilPaid(owed) / 1_000) : 0
  }

  #owed(key: string, now: number): number {
    const debt = this.#debts.get(key)
    return debt === undefined ? 0 : Math.max(0, debt.ms - ((now - debt.at) / 1_000) * MS_PER_SEC)
  }
}

const msUntilPaid = (owed: number): number => ((owed - BURST_MS) / MS_PER_SEC) * 1_000

const keyOf = (source: string, sender: string): string => `${source} ${sender}`
