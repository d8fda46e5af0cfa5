/**
 * What one normalizer transaction saw of one shape of one event type: an element of a `normalizer.shapes.v1` record.
 */
export interface ShapeCount {
  readonly source: string
  readonly eventType: string
  readonly fingerprint: string
  readonly count: number
  /** Epoch ms on the brokers' clock of the first and the last of these events. */
  readonly firstAt: number
  readonly lastAt: number
  /** Each process sends these at least once for a shape; see `ObservedShape`. */
  readonly paths?: readonly string[]
  readonly fields?: readonly string[]
}

/** A numbered shape of an event type: the value of a `schemas.observed.v1` record (JSON). */
export interface ObservedShape {
  readonly source: string
  readonly eventType: string
  readonly fingerprint: string
  /**
   * Versions count up from 2 for each event type, one for each growth of its known paths: a new path, or a new type at
   * a path (null excluded). A shape keeps the version in which its newest path appeared. Version 1 is the shape without
   * fields, where every event type begins. Version 0 stands for all shapes beyond the limit.
   */
  readonly version: number
  /** Sorted paths with types, such as `/"data"/"id":string`. */
  readonly paths: readonly string[]
  /** Names of the top-level fields, sorted. */
  readonly fields: readonly string[]
  /** Number of events of this shape. */
  readonly count: number
  /** Epoch ms on the brokers' clock. */
  readonly firstSeenAt: number
  readonly lastSeenAt: number
  /**
   * Number of events of the event type before this shape appeared. The share of the shape is count / (all - before).
   */
  readonly before: number
  /**
   * Time from the first event of the shape until it had half, and nine tenths, of the events since, ms; null: not yet.
   */
  readonly reachedHalfMs: number | null
  readonly reachedNineTenthsMs: number | null
}

/** The fingerprint of all shapes beyond the limit. */
export const OTHER_SHAPES = 'others'
/** The fingerprint of a body of an opaque source that is not a JSON object. */
export const OPAQUE_SHAPE = 'opaque'
/** The version of the shape without fields. The first payload has the next version. */
export const EMPTY_SHAPE_VERSION = 1

const escaped = (part: string): string => part.replace(/[\\|]/g, '\\$&')

export const observedShapeKey = (shape: {
  readonly source: string
  readonly eventType: string
  readonly fingerprint: string
}): string => [shape.source, shape.eventType, shape.fingerprint].map(escaped).join('|')

/** Returns undefined for tombstones and for other records, such as the barriers of the topic's owner. */
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

/** Returns an empty list for a value that is not a list of counts. */
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

/**
 * A person's approval of a shape: the value of a `schemas.approved.v1` record (JSON), under the key
 * `source|fingerprint`.
 */
export interface ApprovedShape {
  readonly source: string
  readonly fingerprint: string
  readonly approvedBy: string
  /** Epoch ms. */
  readonly approvedAt: number
}

export const approvedShapeKey = (source: string, fingerprint: string): string =>
  [source, fingerprint].map(escaped).join('|')

/** Returns undefined for tombstones and for records that are not approvals. */
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
