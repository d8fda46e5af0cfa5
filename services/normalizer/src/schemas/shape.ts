import { createHash } from 'node:crypto'
import { isExactNumber } from '@weir/exact-json'

/** The paths and types of a payload. Its fingerprint never changes and is the same on every machine. */
export interface Shape {
  readonly fingerprint: string
  /** Sorted, for example `/"data"/"id":string`. `[]` stands for every element of an array. */
  readonly paths: readonly string[]
  /** Names of the top-level fields, sorted. */
  readonly fields: readonly string[]
}

const FINGERPRINT_LENGTH = 16
/** Deeper objects and arrays count without their content. */
const DEPTH_MAX = 32
/** Payloads with more paths have one shape: `wide`. */
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

/** A pure function that ignores the order of keys. Its cost is proportional to the size of the payload. */
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

/** A name, the code of a type or of an end, or the shapes of the elements of an array. */
type Token = string | number | ShapeNode

/** A node of the cache tree: everything that the walk has met so far, in order. */
class ShapeNode {
  readonly id: number
  readonly next = new Map<Token, ShapeNode>()
  shape: Shape | undefined

  constructor(id: number) {
    this.id = id
  }
}

const NODES_MAX = 50_000
/** Numbers, because a name can be any text. */
const CODES = { end: 0, null: 1, object: 2, array: 3, string: 4, number: 5, boolean: 6, other: 7 } as const

const codeOf = (value: unknown): number => {
  const type = typeof value
  return type === 'string' || type === 'number' || type === 'boolean' ? CODES[type] : CODES.other
}

/**
 * A cache for `computeShape`. It finds a known shape by one walk over the payload and builds no texts, because most
 * payloads have one of a few shapes. When it is full, for example of random keys, it is emptied.
 */
export class ShapeCache {
  #nodes = 0
  #root = new ShapeNode(0)
  /** Roots for the elements of arrays, by depth, because the limit of depth applies to them, too. */
  #origins: ShapeNode[] = []

  shapeOf(payload: unknown): Shape {
    if (this.#nodes > NODES_MAX) {
      this.#nodes = 0
      this.#root = new ShapeNode(0)
      this.#origins = []
    }
    const node = this.#walk(this.#root, payload, 0)
    node.shape ??= computeShape(payload)
    return node.shape
  }

  #walk(from: ShapeNode, value: unknown, depth: number): ShapeNode {
    if (typeof value !== 'object') return this.#step(from, codeOf(value))
    if (value === null) return this.#step(from, CODES.null)
    if (Array.isArray(value)) return this.#walkArray(this.#step(from, CODES.array), value, depth)
    if (isExactNumber(value)) return this.#step(from, CODES.number)
    let node = this.#step(from, CODES.object)
    if (depth === DEPTH_MAX) return node
    const object = value as Record<string, unknown>
    for (const name in object) node = this.#walk(this.#step(node, name), object[name], depth + 1)
    return this.#step(node, CODES.end)
  }

  /** Only the distinct shapes of the elements count, not their number. */
  #walkArray(node: ShapeNode, elements: readonly unknown[], depth: number): ShapeNode {
    if (depth === DEPTH_MAX || elements.length === 0) return node
    const origin = (this.#origins[depth] ??= new ShapeNode(-depth))
    const first = this.#walk(origin, elements[0], depth + 1)
    let others: Set<ShapeNode> | undefined
    for (let i = 1; i < elements.length; i++) {
      const end = this.#walk(origin, elements[i], depth + 1)
      if (end !== first) (others ??= new Set([first])).add(end)
    }
    if (others === undefined) return this.#step(node, first)
    const kinds = [...others].sort((a, b) => a.id - b.id)
    return kinds.reduce((at, kind) => this.#step(at, kind), node)
  }

  #step(from: ShapeNode, token: Token): ShapeNode {
    let node = from.next.get(token)
    if (node === undefined) {
      this.#nodes += 1
      node = new ShapeNode(this.#nodes)
      from.next.set(token, node)
    }
    return node
  }
}
