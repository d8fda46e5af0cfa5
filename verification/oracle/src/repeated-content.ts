import type { Findings } from './findings.ts'

/** A record of content that came first under another id: dedup keeps it once, as a letter. */
export interface Repeat {
  readonly source: string
  /** Hex; the event key of the record. */
  readonly key: string
  records: number
  letters: number
}

export interface GuardedRecord {
  readonly source: string
  /** Hex. */
  readonly contentKey: string
  /** Hex. */
  readonly key: string
  readonly bodyHash: string
  readonly partition: number
  /** Epoch ms. */
  readonly timestamp: number
}

interface Content {
  /** The event key that the content came with first. */
  key: string
  readonly partition: number
  at: number
  isSeen: boolean
}

/**
 * Content that was signed without its id, by the keys that the records state. Ids outside the signature prove nothing.
 */
export class RepeatedContent {
  readonly #windowMs: number
  /** By content key. */
  readonly #contents = new Map<string, Content>()
  /** By event key and body hash. */
  readonly #repeats = new Map<string, Repeat>()

  constructor(windowMs: number) {
    this.#windowMs = windowMs
  }

  /** Notes a record, in the order of its partition. undefined: the content is new, or comes with the same id. */
  receive({ source, contentKey, key, bodyHash, partition, timestamp }: GuardedRecord): Repeat | undefined {
    const content = this.#contents.get(contentKey)
    if (content === undefined) {
      this.#contents.set(contentKey, { key, partition, at: timestamp, isSeen: false })
      return undefined
    }
    if (content.key === key) return undefined
    if (timestamp - content.at > this.#windowMs) {
      Object.assign(content, { key, at: timestamp })
      return undefined
    }
    const id = `${key} ${bodyHash}`
    const repeat = this.#repeats.get(id) ?? { source, key, records: 0, letters: 0 }
    this.#repeats.set(id, repeat)
    repeat.records += 1
    return repeat
  }

  /** The repeat that a letter stands for. */
  repeatOf(key: string, bodyHash: string): Repeat | undefined {
    return this.#repeats.get(`${key} ${bodyHash}`)
  }

  /** Whether this key in dedup's state is a content key; marks it as held. */
  hold(contentKey: string, partition: number): boolean {
    const content = this.#contents.get(contentKey)
    if (content?.partition !== partition) return false
    content.isSeen = true
    return true
  }

  /** `lastAt`: time of the last record. */
  conclude(findings: Findings, lastAt: number): void {
    for (const { source, key, letters } of this.#repeats.values()) {
      const name = `repeated content of ${source} under the event key ${key}`
      if (letters === 0) findings.add('lost', `the letter of ${name}`)
      findings.add('extra', `another letter of ${name}`, letters - 1)
    }
    for (const [contentKey, { isSeen, at }] of this.#contents) {
      if (!isSeen && lastAt - at < this.#windowMs)
        findings.add('lost', `the content key ${contentKey} in dedup.seen.v1`)
    }
  }
}
