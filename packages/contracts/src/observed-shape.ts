/** What one normalizer transaction saw of one shape of one event type: an element of a `normalizer.shapes.v1` record. */
export interface ShapeCount {
  readonly source: string
  readonly eventType: string
  readonly fingerprint: string
  readonly count: number
  /** Epoch ms on the brokers' clock of the first and the last of these events. */
  readonly firstAt: number
  readonly lastAt: number
  /** Given at least once by each process: see `ObservedShape`. */
  readonly paths?: readonly string[]
  readonly fields?: readonly string[]
}

/** A numbered shape of an event type: the value of a `schemas.observed.v1` record (JSON). */
export interface ObservedShape {
  readonly source: string
  readonly eventType: string
  readonly fingerprint: string
  /**
   * Counted up from 2 for each event type with every growth of what is known of it (a new path, or a new type at a path,
   * null apart); a shape has the version that its newest path came with, and keeps it. 1 is the shape without any field,
   * from which all begin. 0: beyond the limit of shapes, all such together.
   */
  readonly version: number
  /** Sorted, as `/"data"/"id":string`. */
  readonly paths: readonly string[]
  /** Names of the top-level fields, sorted. */
  readonly fields: readonly string[]
  /** Events of this shape, each once. */
  readonly count: number
  /** Epoch ms on the brokers' clock. */
  readonly firstSeenAt: number
  readonly lastSeenAt: number
  /** Events of the event type before this shape appeared: its share is count / (all - before). */
  readonly before: number
  /** How long after it first appeared half, and nine tenths, of the events since then were of it, ms; null: not yet. */
  readonly reachedHalfMs: number | null
  readonly reachedNineTenthsMs: number | null
}

/** The fingerprint of whatever is beyond the limit of shapes. */
export const OTHER_SHAPES = 'others'
/** The fingerprint of a body of an opaque source that is not a JSON object. */
export const OPAQUE_SHAPE = 'opaque'
/** The version number of a source's shape without fields; the first payload has the next one. */
export const EMPTY_SHAPE_VERSION = 1

const escaped = (part: string): string => part.replace(/[\\|]/g, '\\$&')

export const observedShapeKey = (shape: {
  readonly source: string
  readonly eventType: string
  readonly fingerprint: string
}): string => [shape.source, shape.eventType, shape.fingerprint].map(escaped).join('|')

/** Undefined for tombstones and for what is not a shape, such as the barriers of the topic's owner. */
export const decodeObservedShape = (value: Buffer | null): ObservedShape | undefined => {
  const shape = parseObject(value) as Partial<ObservedShape> | undefined
  const isWhole =
    areTexts([shape?.source, shape?.eventType, shape?.fingerprint]) &&
    areTexts(shape?.paths) &&
    areTexts(shape?.fields) &&
    areNumbers([shape?.version, shape?.firstSeenAt]) &&
    [shape?.count, shape?.lastSeenAt, shape?.before, shape?.reachedHalfMs, shape?.reachedNineTenthsMs].every(
      (number) => number === undefined || number === null || areNumbers([number]),
    )
  return isWhole ? (shape as ObservedShape) : undefined
}

const areTexts = (list: unknown): boolean =>
  Array.isArray(list) && list.every((one) => typeof one === 'string')
const areNumbers = (list: readonly unknown[]): boolean => list.every((one) => Number.isSafeInteger(one))

/** Empty for what is not a list of counts. */
export const decodeShapeCounts = (value: Buffer | null): readonly ShapeCount[] => {
  const list = parseObject(value)
  if (!Array.isArray(list)) return []
  return list.filter(
    (one: Partial<ShapeCount> | null): one is ShapeCount =>
      areTexts([one?.source, one?.eventType, one?.fingerprint]) &&
      areNumbers([one?.count, one?.firstAt, one?.lastAt]) &&
      [one?.paths, one?.fields].every((list) => list === undefined || areTexts(list)),
  )
}

/** A person lets a shape of a source pass: the value of a `schemas.approved.v1` record (JSON), under `source|fingerprint`. */
export interface ApprovedShape {
  readonly source: string
  readonly fingerprint: string
  readonly approvedBy: string
  /** Epoch ms. */
  readonly approvedAt: number
}

export const approvedShapeKey = (source: string, fingerprint: string): string =>
  [source, fingerprint].map(escaped).join('|')

/** Undefined for tombstones and for what is not an approval. */
export const decodeApprovedShape = (value: Buffer | null): ApprovedShape | undefined => {
  const approval = parseObject(value) as Partial<ApprovedShape> | undefined
  return typeof approval?.source === 'string' && typeof approval.fingerprint === 'string'
    ? (approval as ApprovedShape)
    : undefined
}

const parseObject = (value: Buffer | null): object | undefined => {
  try {
    const parsed: unknown = JSON.parse(value?.toString() ?? 'null')
    return typeof parsed === 'object' && parsed !== null ? parsed : undefined
  } catch {
    return undefined
  }
}
