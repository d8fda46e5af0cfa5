import { createHash } from 'node:crypto'
import type { WireRecord } from './wire.ts'

/** Who did what. Holds neither payloads nor secrets. */
export interface AuditEntry {
  /** `letters.export`, `job.replay`, ... */
  readonly what: string
  readonly who: AuditActor
  /** Filters, places, counts and names. */
  readonly details: Readonly<Record<string, unknown>>
}

export interface AuditActor {
  readonly service: string
  /** The name of the token. */
  readonly name: string
  readonly role: string
  readonly address: string
}

/** The last record of a writer, as another writer has seen it. */
export interface AuditHead {
  readonly writer: string
  readonly seq: number
  readonly hash: string
}

/** Offsets of a damaged batch that could not be read, both ends included. */
export interface UnreadableRange {
  readonly from: string
  readonly to: string
}

/** The value of a record of `audit.log.v1`. A header holds its hash. */
export interface AuditRecord extends AuditEntry {
  /** Each start of a process is a new writer. */
  readonly writer: string
  /** Counts up from 0 without a gap. */
  readonly seq: number
  /** Epoch ms on the writer's clock. */
  readonly at: number
  /** Hash of the previous record of the same writer; null in the first record. */
  readonly previous: string | null
  /** Only in the first record: the last records of earlier writers that no other first record has named. */
  readonly heads?: readonly AuditHead[]
  /** Only in the first record: the parts of the log that could not be read when this chain began. */
  readonly unreadable?: readonly UnreadableRange[]
}

const HASH_HEADER = 'hash'

const hashOf = (value: Buffer): string => createHash('sha256').update(value).digest('hex')

/** Returns the record to write, and the hash that the writer's next record must name as `previous`. */
export const encodeAuditRecord = (
  record: AuditRecord,
): { readonly record: WireRecord; readonly hash: string } => {
  const value = Buffer.from(JSON.stringify(record))
  const hash = hashOf(value)
  return {
    record: { key: Buffer.from(record.writer), value, headers: { [HASH_HEADER]: Buffer.from(hash) } },
    hash,
  }
}

const MOMENT_MAX = 8.64e15

type Fields = Readonly<Record<string, unknown>>

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null
const areTexts = (values: Fields, names: readonly string[]): boolean =>
  names.every((name) => typeof values[name] === 'string')
const isSeq = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0
/** Whether a value has the shape of an `AuditHead`. */
export const isAuditHead = (value: unknown): value is AuditHead =>
  isFields(value) && areTexts(value, ['writer', 'hash']) && isSeq(value.seq)
const isRange = (value: unknown): boolean => isFields(value) && areTexts(value, ['from', 'to'])
const isRecord = (value: unknown): boolean =>
  isFields(value) &&
  areTexts(value, ['writer', 'what']) &&
  isSeq(value.seq) &&
  typeof value.at === 'number' &&
  Math.abs(value.at) <= MOMENT_MAX &&
  (value.previous === null || typeof value.previous === 'string') &&
  isFields(value.who) &&
  areTexts(value.who, ['service', 'name', 'role', 'address']) &&
  isFields(value.details) &&
  (value.unreadable === undefined || (Array.isArray(value.unreadable) && value.unreadable.every(isRange))) &&
  (value.heads === undefined || (Array.isArray(value.heads) && value.heads.every(isAuditHead)))

/** Returns undefined for a value that is not a complete audit record, because readers rely on every field. */
export const decodeAuditRecord = (value: Buffer | null): AuditRecord | undefined => {
  try {
    const record: unknown = JSON.parse(value?.toString() ?? 'null')
    return isRecord(record) ? (record as AuditRecord) : undefined
  } catch {
    return undefined
  }
}

/** A record as read from the topic. */
type AuditWireRecord = Pick<WireRecord, 'value' | 'headers'> & { readonly key: Buffer | null }

/** A sign that the log was changed, and its place. */
export interface AuditFault {
  readonly offset: string
  readonly writer: string
  readonly fault: string
}

interface Chain {
  seq: number
  /** Hashes by `seq`, from the last record that a later writer has named. */
  readonly hashes: Map<number, string>
  /** The highest `seq` that the first record of another writer has named; -1: none. */
  named: number
}

const FAULTS_MAX = 100
/** A starting writer names an end that it has just read, so older hashes are not needed. */
const HASHES_KEPT = 10_000
const HEADS_NAMED_MAX = 1_000
const UNREADABLE_NAMED_MAX = 100

/**
 * Checks records in the order of the log. Each writer has its own chain, so that replicas do not wait for each other.
 * The first record of a writer names the ends of the earlier chains. So once another writer has started, a chain can
 * neither vanish nor lose its end without a trace.
 */
export class AuditCheck {
  readonly faults: AuditFault[] = []
  faultCount = 0
  recordCount = 0
  readonly #unreadable: UnreadableRange[] = []
  readonly #chains = new Map<string, Chain>()
  /** Heads by writer and `seq`. */
  readonly #expected: Map<string, AuditHead>

  /** `seen` holds the open heads of an earlier check. The log must still contain them. */
  constructor(seen: readonly AuditHead[] = []) {
    this.#expected = new Map(seen.map((head) => [`${head.writer} ${head.seq}`, head]))
  }

  add(offset: bigint, { key, value, headers }: AuditWireRecord): void {
    const record = decodeAuditRecord(value)
    this.recordCount += 1
    if (record === undefined) {
      this.#fault(offset, '', 'it is not a record of the audit log: it was inserted or changed')
      return
    }
    const { writer, seq, previous } = record
    const hash = hashOf(value!)
    if (headers[HASH_HEADER]?.toString() !== hash) {
      this.#fault(offset, writer, `record ${seq} is not what its hash says: it was changed`)
    } else if (key?.toString() !== writer) {
      this.#fault(offset, writer, `record ${seq} has the key of another writer: it was changed`)
    }
    const chain = this.#chains.get(writer)
    const expected = chain === undefined ? 0 : chain.seq + 1
    if (seq > expected) {
      this.#fault(offset, writer, `records ${expected} to ${seq - 1} before it are missing`)
    } else if (seq < expected) {
      this.#fault(offset, writer, `record ${seq} comes after ${expected - 1}: it was inserted or moved`)
      return
    } else if (previous !== (chain?.hashes.get(seq - 1) ?? null)) {
      this.#fault(offset, writer, `record ${seq} does not follow the one before it: one of them was changed`)
    }
    for (const head of record.heads ?? []) this.#checkHead(offset, writer, head)
    this.#compareWithSeen(offset, writer, seq, hash)
    const updated = chain ?? { seq, hashes: new Map<number, string>(), named: -1 }
    updated.seq = seq
    updated.hashes.set(seq, hash)
    updated.hashes.delete(seq - HASHES_KEPT)
    this.#chains.set(writer, updated)
  }

  /** Between the records before and after it. The chains that it tears have faults of their own. */
  addUnreadable(range: UnreadableRange): void {
    this.#unreadable.push(range)
    this.#fault(
      BigInt(range.from),
      '',
      `offsets ${range.from} to ${range.to} cannot be read: a batch is damaged`,
    )
  }

  /** For the first record of the next writer: the latest ones. */
  get unreadableToName(): readonly UnreadableRange[] {
    return this.#unreadable.slice(-UNREADABLE_NAMED_MAX)
  }

  /** Reports what the log no longer holds. Call it after the last record, with the offset at which the log begins. */
  end(logStart = 0n): void {
    if (logStart > 0n)
      this.#fault(logStart, '', `the log begins here: offsets 0 to ${logStart - 1n} are gone`)
    for (const { writer, seq } of this.#expected.values()) {
      this.#fault(-1n, writer, `record ${seq}, which an earlier check has seen, is missing`)
    }
    this.#expected.clear()
  }

  /** The ends of chains that no later writer has named. A later check, and the next writer, must find them. */
  get openHeads(): readonly AuditHead[] {
    return [...this.#chains]
      .filter(([, { named, seq }]) => named < seq)
      .map(([writer, { seq, hashes }]) => ({ writer, seq, hash: hashes.get(seq)! }))
  }

  /**
   * The heads for the first record of the next writer, bounded so that forged chains cannot make that record too large.
   */
  get headsToName(): readonly AuditHead[] {
    return this.openHeads.slice(-HEADS_NAMED_MAX)
  }

  #compareWithSeen(offset: bigint, writer: string, seq: number, hash: string): void {
    const name = `${writer} ${seq}`
    const seen = this.#expected.get(name)
    if (seen === undefined) return
    this.#expected.delete(name)
    if (seen.hash !== hash) {
      this.#fault(
        offset,
        writer,
        `record ${seq} is not the one that an earlier check has seen: it was changed`,
      )
    }
  }

  #checkHead(offset: bigint, by: string, { writer, seq, hash }: AuditHead): void {
    const chain = this.#chains.get(writer)
    if (chain === undefined || seq > chain.seq) {
      this.#fault(offset, by, `record ${seq} of writer ${writer}, which was there, is missing`)
      return
    }
    const actual = chain.hashes.get(seq)
    if (actual !== undefined && actual !== hash) {
      this.#fault(offset, by, `record ${seq} of writer ${writer}, which was there, was changed`)
    }
    chain.named = Math.max(chain.named, seq)
    for (const old of chain.hashes.keys()) if (old < chain.named) chain.hashes.delete(old)
  }

  #fault(offset: bigint, writer: string, fault: string): void {
    this.faultCount += 1
    if (this.faults.length < FAULTS_MAX) {
      this.faults.push({ offset: offset < 0n ? '-' : String(offset), writer, fault })
    }
  }
}
