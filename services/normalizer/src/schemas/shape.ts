import { createHash } from 'node:crypto'
import { isExactNumber } from '@weir/exact-json'

/** The paths and types of a payload. Two payloads of one shape have the same fingerprint, for ever and on every machine. */
export interface Shape {
  readonly fingerprint: string
  /** As `/"data"/"id":string`, sorted; `[]` stands for every element of an array. */
  readonly paths: readonly string[]
  /** Names of the top-level fields, sorted. */
  readonly fields: readonly string[]
}

const FINGERPRINT_LENGTH = 16
/** Below it objects and arrays count as such, whatever they hold. */
const DEPTH_MAX = 32
/** Beyond it every shape of the source is one: `wide`. */
const PATHS_MAX = 1_000
const PATH_LENGTH_MAX = 4_096

const WIDE: Shape = { fingerprint: 'wide', paths: [], fields: [] }

const typeOf = (value: unknown): string =>
  value === null ? 'null' : isExactNumber(value) ? 'number' : typeof value

const collect = (value: unknown, path: string, depth: number, found: Set<string>): boolean => {
  if (found.size > PATHS_MAX || path.length > PATH_LENGTH_MAX) return false
  if (typeof value !== 'object' || value === null || isExactNumber(value)) {
    found.add(`${path}:${typeOf(value)}`)
    return true
  }
  const isArray = Array.isArray(value)
  found.add(`${path}:${isArray ? 'array' : 'object'}`)
  if (depth === DEPTH_MAX) return true
  if (isArray) return value.every((one) => collect(one, `${path}[]`, depth + 1, found))
  return Object.entries(value).every(([name, one]) =>
    collect(one, `${path}/${JSON.stringify(name)}`, depth + 1, found),
  )
}

/** Pure, whatever the order of keys; its cost is bounded by the payload's size. */
export const computeShape = (payload: unknown): Shape => {
  const found = new Set<string>()
  if (!collect(payload, '', 0, found) || found.size > PATHS_MAX) return WIDE
  const paths = [...found].sort()
  const isObject = typeof payload === 'object' && payload !== null && !Array.isArray(payload)
  return {
    fingerprint: createHash('sha256').update(paths.join('\n')).digest('hex').slice(0, FINGERPRINT_LENGTH),
    paths,
    fields: isObject ? Object.keys(payload).sort() : [],
  }
}

/** A name, the code of a type or an end, or all that one kind of element has. */
type Token = string | number | Met

/** A point in the walk over a payload: everything met so far, in the order of the walk. */
class Met {
  readonly id: number
  readonly next = new Map<Token, Met>()
  shape: Shape | undefined

  constructor(id: number) {
    this.id = id
  }
}

const NODES_MAX = 50_000
/** Numbers, because any text can be a name. */
const CODES = { end: 0, null: 1, object: 2, array: 3, string: 4, number: 5, boolean: 6, other: 7 } as const

const codeOf = (value: unknown): number => {
  const type = typeof value
  return type === 'string' || type === 'number' || type === 'boolean' ? CODES[type] : CODES.other
}

/**
 * Finds shapes that were met before by one walk over the payload, without building texts: payloads come in few shapes.
 * A cache of `computeShape` and nothing more; when random keys fill it, it begins anew.
 */
export class ShapeCache {
  #nodes = 0
  #root = new Met(0)
  /** Where elements begin, by depth: the depth decides how far they are looked at. */
  #origins: Met[] = []

  shapeOf(payload: unknown): Shape {
    if (this.#nodes > NODES_MAX) {
      this.#nodes = 0
      this.#root = new Met(0)
      this.#origins = []
    }
    const met = this.#walk(this.#root, payload, 0)
    met.shape ??= computeShape(payload)
    return met.shape
  }

  #walk(from: Met, value: unknown, depth: number): Met {
    if (typeof value !== 'object') return this.#step(from, codeOf(value))
    if (value === null) return this.#step(from, CODES.null)
    if (Array.isArray(value)) return this.#walkArray(this.#step(from, CODES.array), value, depth)
    if (isExactNumber(value)) return this.#step(from, CODES.number)
    let met = this.#step(from, CODES.object)
    if (depth === DEPTH_MAX) return met
    const object = value as Record<string, unknown>
    for (const name in object) met = this.#walk(this.#step(met, name), object[name], depth + 1)
    return this.#step(met, CODES.end)
  }

  /** Which element shapes there are counts, and not how many elements. */
  #walkArray(met: Met, elements: readonly unknown[], depth: number): Met {
    if (depth === DEPTH_MAX || elements.length === 0) return met
    const origin = (this.#origins[depth] ??= new Met(-depth))
    const first = this.#walk(origin, elements[0], depth + 1)
    let others: Set<Met> | undefined
    for (let i = 1; i < elements.length; i++) {
      const end = this.#walk(origin, elements[i], depth + 1)
      if (end !== first) (others ??= new Set([first])).add(end)
    }
    if (others === undefined) return this.#step(met, first)
    const kinds = [...others].sort((a, b) => a.id - b.id)
    return kinds.reduce((at, kind) => this.#step(at, kind), met)
  }

  #step(from: Met, token: Token): Met {
    let met = from.next.get(token)
    if (met === undefined) {
      this.#nodes += 1
      met = new Met(this.#nodes)
      from.next.set(token, met)
    }
    return met
  }
}
