import {
  EMPTY_SHAPE_VERSION,
  observedShapeKey,
  OTHER_SHAPES,
  type ObservedShape,
  type ShapeCount,
} from '@weir/contracts'

/** Limit of numbered shapes for each event type. Further shapes are counted together. */
const SHAPES_MAX = 1_000
const EVENT_TYPES_MAX = 2_000
/** A version still arrives if its last event is no older than this, ms. */
const ARRIVING_MS = 3_600_000
/** A share of fewer events is not significant. */
const EVENTS_MIN = 20

interface EventTypeState {
  readonly source: string
  readonly shapes: Map<string, ObservedShape>
  /** The version that introduced each path. */
  readonly since: Map<string, number>
  latestVersion: number
  total: number
}

/** Figures of one source. */
export interface Adoption {
  /** Events that had the newest shape of their event type. */
  readonly adopted: number
  readonly total: number
  /** Percent. */
  readonly rate: number
  readonly versions: number
  /** Lowest version number of any event type within an hour of the source's last event. */
  readonly oldestArriving: number
}

/**
 * Numbers the versions of each event type in log order, and counts its events. A new path, or a new type at a path,
 * makes a version. A shape has the newest version of its paths, so a field that is absent or null makes none. Reading
 * the log again gives the same numbers. `fold` changes a copy, which `apply` keeps after the commit.
 */
export class SchemaVersions {
  readonly #types = new Map<string, EventTypeState>()
  #overLimit = 0

  /** Restores a shape from the changelog. */
  restore(shape: ObservedShape): void {
    const type = this.#typeOf(shape.source, shape.eventType)
    type.total += shape.count - (type.shapes.get(shape.fingerprint)?.count ?? 0)
    type.shapes.set(shape.fingerprint, shape)
    if (shape.version > 0) learn(type, shape)
  }

  /** The new state of the shapes that these counts change. Changes nothing in this object. */
  fold(counts: readonly ShapeCount[]): readonly ObservedShape[] {
    const staged = new StagedVersions(this.#types)
    for (const count of counts) staged.add(count)
    return staged.changed()
  }

  /** Keeps the result of `fold` after its commit. */
  apply(changed: readonly ObservedShape[]): void {
    for (const shape of changed) {
      if (shape.version === 0) this.#overLimit += shape.count - this.#countOf(shape)
      this.restore(shape)
    }
  }

  /** Events beyond the limits since the start of this process. */
  get overLimit(): number {
    return this.#overLimit
  }

  adoption(): ReadonlyMap<string, Adoption> {
    const bySource = Map.groupBy(this.#types.values(), ({ source }) => source)
    return new Map([...bySource].map(([source, types]) => [source, adoptionOf(types)]))
  }

  #countOf({ source, eventType, fingerprint }: ObservedShape): number {
    return this.#types.get(typeKey(source, eventType))?.shapes.get(fingerprint)?.count ?? 0
  }

  #typeOf(source: string, eventType: string): EventTypeState {
    const key = typeKey(source, eventType)
    const type = this.#types.get(key) ?? newType(source)
    this.#types.set(key, type)
    return type
  }
}

const typeKey = (source: string, eventType: string): string =>
  observedShapeKey({ source, eventType, fingerprint: '' })

const newType = (source: string): EventTypeState => ({
  source,
  shapes: new Map(),
  since: new Map(),
  latestVersion: EMPTY_SHAPE_VERSION,
  total: 0,
})

const NULL_TYPE = ':null'

/** The keys by which a shape extends its event type: its paths, or its fingerprint when the paths are unknown. */
const growthOf = ({
  fingerprint,
  paths = [],
}: Pick<ShapeCount, 'fingerprint' | 'paths'>): readonly string[] =>
  paths.length === 0 ? [fingerprint] : paths.filter((path) => !path.endsWith(NULL_TYPE))

/** A path belongs to the oldest version that has it, whatever the order in which shapes are restored. */
const learn = (type: EventTypeState, shape: ObservedShape): void => {
  for (const path of growthOf(shape)) {
    type.since.set(path, Math.min(shape.version, type.since.get(path) ?? Infinity))
  }
  type.latestVersion = Math.max(type.latestVersion, shape.version)
}

/** The version for a shape without a number. */
const versionOf = (type: EventTypeState, count: ShapeCount): number => {
  const since = growthOf(count).map((path) => type.since.get(path))
  return since.includes(undefined)
    ? type.latestVersion + 1
    : Math.max(EMPTY_SHAPE_VERSION, ...(since as number[]))
}

/** The changes of one transaction on top of the committed state. */
class StagedVersions {
  readonly #committed: ReadonlyMap<string, EventTypeState>
  readonly #types = new Map<string, EventTypeState>()
  readonly #changed = new Map<string, ObservedShape>()
  #newTypes = 0

  constructor(committed: ReadonlyMap<string, EventTypeState>) {
    this.#committed = committed
  }

  add(counted: ShapeCount): void {
    const isKnown = this.#find(counted.source, counted.eventType) !== undefined
    const isOver = !isKnown && this.#committed.size + this.#newTypes >= EVENT_TYPES_MAX
    const count = isOver ? { ...counted, eventType: OTHER_SHAPES } : counted
    const type = this.#typeOf(count.source, count.eventType)
    let found = type.shapes.get(count.fingerprint)
    const isOther =
      count.fingerprint === OTHER_SHAPES || (found === undefined && type.shapes.size >= SHAPES_MAX)
    const fingerprint = isOther ? OTHER_SHAPES : count.fingerprint
    if (isOther) found = type.shapes.get(OTHER_SHAPES)
    const shape = found ?? newShape(type, { ...count, fingerprint })
    type.total += count.count
    const grown = grow(shape, count, type.total, isOther)
    if (grown.version > 0) learn(type, grown)
    type.shapes.set(fingerprint, grown)
    this.#changed.set(observedShapeKey(grown), grown)
  }

  changed(): readonly ObservedShape[] {
    return [...this.#changed.values()]
  }

  #find(source: string, eventType: string): EventTypeState | undefined {
    const key = typeKey(source, eventType)
    return this.#types.get(key) ?? this.#committed.get(key)
  }

  #typeOf(source: string, eventType: string): EventTypeState {
    const key = typeKey(source, eventType)
    const staged = this.#types.get(key)
    if (staged !== undefined) return staged
    const committed = this.#committed.get(key)
    if (committed === undefined) this.#newTypes += 1
    const copy = committed
      ? { ...committed, shapes: new Map(committed.shapes), since: new Map(committed.since) }
      : newType(source)
    this.#types.set(key, copy)
    return copy
  }
}

const newShape = (type: EventTypeState, count: ShapeCount): ObservedShape => {
  const { source, eventType, fingerprint, firstAt, paths = [], fields = [] } = count
  const isOther = fingerprint === OTHER_SHAPES
  return {
    source,
    eventType,
    fingerprint,
    version: isOther ? 0 : versionOf(type, count),
    ...(isOther ? { paths: [], fields: [] } : { paths, fields }),
    count: 0,
    firstSeenAt: firstAt,
    lastSeenAt: firstAt,
    before: type.total,
    reachedHalfMs: null,
    reachedNineTenthsMs: null,
  }
}

const grow = (shape: ObservedShape, counted: ShapeCount, total: number, isOther: boolean): ObservedShape => {
  const count = shape.count + counted.count
  const lastSeenAt = Math.max(shape.lastSeenAt, counted.lastAt)
  const since = total - shape.before
  const reached = (before: number | null, share: number): number | null =>
    before ??
    (since >= EVENTS_MIN && count >= share * since ? Math.max(0, lastSeenAt - shape.firstSeenAt) : null)
  const isNamed = shape.paths.length === 0 && !isOther
  return {
    ...shape,
    paths: isNamed ? (counted.paths ?? []) : shape.paths,
    fields: isNamed ? (counted.fields ?? []) : shape.fields,
    count,
    lastSeenAt,
    reachedHalfMs: reached(shape.reachedHalfMs, 0.5),
    reachedNineTenthsMs: reached(shape.reachedNineTenthsMs, 0.9),
  }
}

const adoptionOf = (types: readonly EventTypeState[]): Adoption => {
  const shapes = types.flatMap((type) => [...type.shapes.values()])
  const adopted = types
    .flatMap(({ latestVersion, shapes: own }) =>
      [...own.values()].filter(({ version }) => version === latestVersion),
    )
    .reduce((sum, { count }) => sum + count, 0)
  const total = types.reduce((sum, type) => sum + type.total, 0)
  const last = shapes.reduce((latest, { lastSeenAt }) => Math.max(latest, lastSeenAt), 0)
  const arriving = shapes.filter(({ lastSeenAt, version }) => version > 0 && lastSeenAt > last - ARRIVING_MS)
  return {
    adopted,
    total,
    rate: total === 0 ? 0 : (100 * adopted) / total,
    versions: types.reduce((sum, { latestVersion }) => sum + latestVersion - EMPTY_SHAPE_VERSION, 0),
    oldestArriving: arriving.reduce((oldest, { version }) => Math.min(oldest, version), Infinity),
  }
}
