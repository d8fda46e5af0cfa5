/**
 * lost: taken, and not where it must be. extra: there, and must not be, or twice. order: an interaction's events
 * overtook each other. wrong: another identity, body, place or state. sums: what was counted apart is not equal.
 * open: a transaction that nobody has ended.
 */
export const FINDING_KINDS = ['lost', 'extra', 'order', 'wrong', 'sums', 'open'] as const
export type FindingKind = (typeof FINDING_KINDS)[number]

const TEXTS_MAX = 10

/** What is wrong: all of it counted, the first of each kind in words. */
export class Findings {
  readonly #counts = new Map<FindingKind, number>(FINDING_KINDS.map((kind) => [kind, 0]))
  readonly #texts = new Map<FindingKind, string[]>(FINDING_KINDS.map((kind) => [kind, []]))

  add(kind: FindingKind, text: string, count = 1): void {
    if (count <= 0) return
    this.#counts.set(kind, this.#counts.get(kind)! + count)
    const texts = this.#texts.get(kind)!
    if (texts.length < TEXTS_MAX) texts.push(`${kind}: ${text}`)
  }

  /** Two numbers of one thing that were counted apart. */
  equal(what: string, one: number, other: number): void {
    if (one !== other) this.add('sums', `${what}: ${one} and ${other}`)
  }

  get counts(): Readonly<Record<FindingKind, number>> {
    return Object.fromEntries(this.#counts) as Record<FindingKind, number>
  }

  get texts(): readonly string[] {
    return [...this.#texts.values()].flat()
  }
}
