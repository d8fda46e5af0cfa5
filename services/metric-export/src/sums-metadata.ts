import { WindowSums, type SourcePoint } from './window-sums.ts'

/**
 * Metadata of the committed offset. They do not hold the sums, which are unbounded, but say which records give the
 * sums again, so they have a few bytes whatever the number of sources and the length of their names.
 */
export interface SumsOrigin {
  /** The sums are those of `base` plus the records from here up to the committed offset. */
  readonly from: bigint
  /** Start of the open window. */
  readonly openStart: number
  /** Present only until the window closes that was open when the metadata still held sums. */
  readonly base: WindowSums
}

/** Sums of a source: its name, received, deduplicated, rotations, keys held. */
type Stored = readonly [string, number, number, number, number]
/** The earlier form: start of the open window, and the sums of each source. */
type SumsValue = readonly [number, readonly Stored[]]
interface OriginValue {
  readonly from: number
  readonly open: number
  /** Like `SumsValue`, without brackets around the sums of a source. */
  readonly base?: readonly [number, ...(string | number)[]]
}

const FIELDS = 5

/** Undefined before anything was summed. Throws a `SyntaxError` when the metadata have another form. */
export const decodeOrigin = (metadata: string, committedOffset: bigint): SumsOrigin | undefined => {
  if (metadata === '') return undefined
  const value: unknown = JSON.parse(metadata)
  if (isOrigin(value)) {
    const { from, open, base } = value
    return { from: BigInt(from), openStart: open, base: baseOf(BigInt(from), base) }
  }
  if (!isSums(value)) throw new SyntaxError('the offset metadata were not written by metric-export')
  const [openStart, list] = value
  if (list.length === 0) return undefined
  const flat = list.flat() as readonly (string | number)[]
  return { from: committedOffset, openStart, base: baseOf(committedOffset, [openStart, ...flat]) }
}

const isOrigin = (value: unknown): value is OriginValue => {
  const { from, open, base = [] } = (value ?? {}) as Partial<OriginValue>
  return Number.isSafeInteger(from) && Number.isSafeInteger(open) && Array.isArray(base)
}

const isSums = (value: unknown): value is SumsValue =>
  Array.isArray(value) &&
  Number.isSafeInteger(value[0]) &&
  Array.isArray(value[1]) &&
  value[1].every(Array.isArray)

/** `base`: the base in the metadata that `sums` continue from. */
export const encodeOrigin = (sums: WindowSums, base: WindowSums): string => {
  const { firstOffset, openStart, starts } = sums
  if (firstOffset === undefined || openStart === undefined) return ''
  const held = base.openStart === starts[0] ? base.firstPoints : undefined
  return JSON.stringify({
    from: Number(firstOffset),
    open: openStart,
    ...(held && {
      base: [
        base.openStart,
        ...held.points.flatMap(({ source, received, deduplicated }) => [
          source,
          received,
          deduplicated,
          held.state.rotations,
          held.state.keysHeld,
        ]),
      ],
    }),
  })
}

const baseOf = (from: bigint, base: OriginValue['base']): WindowSums => {
  if (base === undefined) return WindowSums.empty
  const [windowStart, ...values] = base
  const points: SourcePoint[] = []
  // Any source's figures will do, because each later record repeats them.
  let state = { source: undefined, windowStart, rotations: 0, keysHeld: 0 }
  for (let at = 0; at < values.length; at += FIELDS) {
    const [source, received, deduplicated, rotations, keysHeld] = values.slice(
      at,
      at + FIELDS,
    ) as unknown as Stored
    // The versions that wrote these metadata did not count malformed events separately.
    points.push({ source, windowStart, received, deduplicated, rejected: 0 })
    state = { ...state, rotations, keysHeld }
  }
  return WindowSums.openedAt(from, points, state)
}
