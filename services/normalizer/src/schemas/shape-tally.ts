import { observedShapeKey, OTHER_SHAPES, type ShapeCount } from '@weir/contracts'
import type { Shape } from './shape.ts'

/** Limit of shapes that one transaction counts separately. Further ones count as `others` of their source. */
const SHAPES_MAX = 200
/** Limit of the encoded paths and fields in one record. With 200 counts the record stays below `RECORD_BYTES_MAX`. */
const PATH_BYTES_MAX = 262_144
/** Shapes whose paths this process has sent. */
const SENT_MAX = 20_000

/** Remembers the shapes with paths already sent, so that most counts are small. Changes only after a commit. */
export class SentShapes {
  readonly #keys = new Set<string>()

  has(key: string): boolean {
    return this.#keys.has(key)
  }

  add(keys: readonly string[]): void {
    if (this.#keys.size > SENT_MAX) this.#keys.clear()
    for (const key of keys) this.#keys.add(key)
  }
}

type Entry = { -readonly [K in keyof ShapeCount]: ShapeCount[K] } & { shape?: Shape }

/** Counts the shapes of one transaction. */
export class ShapeTally {
  readonly #entries = new Map<string, Map<string, Map<string, Entry>>>()
  #size = 0

  /** `at` is in epoch ms on the brokers' clock. */
  add(source: string, eventType: string, shape: Shape, at: number): void {
    const found = this.#entries.get(source)?.get(eventType)?.get(shape.fingerprint)
    if (found === undefined && this.#size >= SHAPES_MAX) {
      this.#count(source, OTHER_SHAPES, OTHER_SHAPES, at)
    } else {
      const entry = found ?? this.#entry(source, eventType, shape.fingerprint, at)
      entry.shape ??= shape
      count(entry, at)
    }
  }

  /** The counts, and the keys of the shapes with paths in them. */
  counts(sent: SentShapes): {
    readonly counts: readonly ShapeCount[]
    readonly withPaths: readonly string[]
  } {
    const counts: ShapeCount[] = []
    const withPaths: string[] = []
    let bytes = 0
    const all = [...this.#entries.values()].flatMap((byType) => [...byType.values()])
    for (const { shape, ...entry } of all.flatMap((byFingerprint) => [...byFingerprint.values()])) {
      const key = observedShapeKey(entry)
      if (shape !== undefined && !sent.has(key)) {
        const { paths, fields } = shape
        const size = Buffer.byteLength(JSON.stringify({ paths, fields }))
        if (bytes + size <= PATH_BYTES_MAX) {
          bytes += size
          withPaths.push(key)
          counts.push({ ...entry, paths, fields })
          continue
        }
      }
      counts.push(entry)
    }
    return { counts, withPaths }
  }

  #count(source: string, eventType: string, fingerprint: string, at: number): void {
    const found = this.#entries.get(source)?.get(eventType)?.get(fingerprint)
    count(found ?? this.#entry(source, eventType, fingerprint, at), at)
  }

  #entry(source: string, eventType: string, fingerprint: string, at: number): Entry {
    const byType = this.#entries.get(source) ?? new Map<string, Map<string, Entry>>()
    const byFingerprint = byType.get(eventType) ?? new Map<string, Entry>()
    const entry: Entry = { source, eventType, fingerprint, count: 0, firstAt: at, lastAt: at }
    this.#entries.set(source, byType.set(eventType, byFingerprint.set(fingerprint, entry)))
    this.#size += 1
    return entry
  }
}

const count = (entry: Entry, at: number): void => {
  entry.count += 1
  if (at < entry.firstAt) entry.firstAt = at
  if (at > entry.lastAt) entry.lastAt = at
}
