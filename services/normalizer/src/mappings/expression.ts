import {
  compile,
  tokenize,
  TreeInterpreter,
  type JSONValue as LibraryValue,
} from '@jmespath-community/jmespath'
import {
  canonicalJson,
  canonicalNumber,
  compareNumbers,
  isExactNumber,
  isJsonObject,
  isNumber,
  numberText,
  parseExactJson,
  replaceExactNumbers,
  type ExactNumber,
  type JsonValue,
} from '@weir/exact-json'

type Node = ReturnType<typeof compile>
type Visited = ReturnType<typeof TreeInterpreter.visit>
type NodeOf<T extends Node['type']> = Extract<Node, { type: T }>
type Call = Pick<NodeOf<'Function'>, 'name' | 'children'>

/** A literal that is not JSON is a string, which the specification still allows. */
const OPTIONS = { enable_legacy_literals: true }

/** The library exports an interpreter, but not its class. */
const Interpreter = TreeInterpreter.constructor as new () => typeof TreeInterpreter

/**
 * Adds exact numbers to the library, which supports only doubles. Exact numbers are compared, ordered and returned by
 * their digits. An arithmetic function gets a double if one holds the number, and otherwise the digits as a string.
 */
class ExactInterpreter extends Interpreter {
  override visit(node: Node, value: Visited): Visited {
    if (node.type === 'Comparator') {
      return compared(node, this.visit(node.left, value), this.visit(node.right, value))
    }
    if (node.type === 'Function') return this.#call(node, value)
    if (node.type === 'Field') {
      return isJsonObject(value) && Object.hasOwn(value, node.name) ? value[node.name]! : null
    }
    if (node.type === 'ValueProjection') {
      const left = this.visit(node.left, value)
      return isExactNumber(left) ? null : super.visit({ ...node, left: literal(left) }, value)
    }
    if (node.type === 'Arithmetic') {
      const [left, right] = [node.left, node.right].map((one) => literal(forLibrary(this.visit(one, value))))
      return super.visit({ ...node, left: left!, right: right! }, value)
    }
    const isSelection = node.type === 'MultiSelectList' || node.type === 'MultiSelectHash'
    return isSelection && value === null ? null : super.visit(node, value)
  }

  #call({ name, children }: Call, value: Visited): Visited {
    const args = children.map((child) => this.visit(child, value))
    const [first] = args
    if (args.length === 1 && isExactNumber(first)) {
      if (name === 'type') return 'number'
      if (name === 'to_string') return numberText(first)
      if (name === 'to_number') return first
    }
    if (name === 'to_array' || name === 'not_null') return this.runtime.callFunction(name, args)
    if (name === 'contains' && Array.isArray(first)) {
      return first.some((one) => isEqual(one, args[1]!))
    }
    return ordered(name, first, (one) => this.#keyOf(children[1], one)) ?? this.#counted(name, args)
  }

  #keyOf(node: Node | undefined, one: Visited): Visited {
    return node?.type === 'ExpressionReference' ? this.visit(node.child, one) : one
  }

  #counted(name: string, args: readonly Visited[]): Visited {
    return this.runtime.callFunction(name, args.map(forLibrary))
  }
}

const literal = (value: Visited): NodeOf<'Literal'> => ({ type: 'Literal', value: value as LibraryValue })

const compared = ({ name }: NodeOf<'Comparator'>, left: Visited, right: Visited): boolean | null => {
  if (name === 'EQ') return isEqual(left, right)
  if (name === 'NE') return !isEqual(left, right)
  // Only numbers have an order.
  if (!isNumber(left) || !isNumber(right)) return null
  const difference = compareNumbers(left, right)
  switch (name) {
    case 'LT':
      return difference < 0
    case 'LTE':
      return difference <= 0
    case 'GT':
      return difference > 0
    case 'GTE':
      return difference >= 0
  }
}

const isEqual = (left: Visited, right: Visited): boolean =>
  left === right || canonicalJson(left as JsonValue) === canonicalJson(right as JsonValue)

const isHeld = (number: ExactNumber): boolean => {
  const double = Number(numberText(number))
  return Number.isFinite(double) && canonicalNumber(String(double)) === canonicalNumber(numberText(number))
}

/** An expression reference is not a value and has no numbers to replace. */
const forLibrary = (value: Visited): Visited =>
  isJsonObject(value) && 'expref' in value
    ? value
    : (replaceExactNumbers(value as JsonValue, (number) =>
        isHeld(number) ? Number(numberText(number)) : numberText(number),
      ) as Visited)

const ORDERING = /^(?:sort|max|min)(?:_by)?$/

/** The result of an ordering function for numbers that are not all doubles; undefined: the library can compute it. */
const ordered = (name: string, list: unknown, keyOf: (one: Visited) => Visited): Visited | undefined => {
  if (!ORDERING.test(name) || !Array.isArray(list)) return undefined
  const keyed = (list as Visited[]).map((one) => ({ one, key: keyOf(one) }))
  if (!keyed.every(({ key }) => isNumber(key)) || !keyed.some(({ key }) => isExactNumber(key)))
    return undefined
  const sorted = keyed
    .toSorted((a, b) => compareNumbers(a.key as number, b.key as number))
    .map(({ one }) => one)
  if (name.startsWith('sort')) return sorted as Visited
  return name.startsWith('min') ? sorted[0] : sorted.at(-1)
}

/** Replaces a literal in an expression, because the library would parse its numbers as doubles. */
const PLACEHOLDER = /^\0(\d+)$/

const QUOTES = '\'"`'
const QUOTED = /^(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`)/s

/**
 * Replaces each literal that has a number by a placeholder; returns the expression and the literals. Throws for an
 * unclosed quote and for a single `=`, both of which the library ignores.
 */
const withoutNumbers = (expression: string) => {
  const literals: JsonValue[] = []
  let text = ''
  let from = 0
  for (const { start } of tokenize(expression, OPTIONS)) {
    if (/^=(?!=)/.test(expression.slice(start, start + 2)) && !expression.includes('let ')) {
      throw new Error(`single = at position ${start}: write == to compare`)
    }
    const quote = expression[start]!
    if (!QUOTES.includes(quote)) continue
    const quoted = QUOTED.exec(expression.slice(start))?.[0]
    if (quoted === undefined) throw new Error(`unclosed quote ${quote} at position ${start}`)
    const source = quoted.slice(1, -1)
    if (quote !== '`' || !/\d/.test(source)) continue
    const value = parsed(source.replaceAll('\\`', '`'))
    if (value === undefined) continue
    text += `${expression.slice(from, start)}\`"\\u0000${literals.push(value) - 1}"\``
    from = start + source.length + 2
  }
  return { text: text + expression.slice(from), literals }
}

const parsed = (json: string): JsonValue | undefined => {
  try {
    return parseExactJson(json)
  } catch {
    return undefined
  }
}

/** Puts the literals back in their places. */
const restore = (node: unknown, literals: readonly JsonValue[]): unknown => {
  if (Array.isArray(node)) return node.map((one) => restore(one, literals))
  if (typeof node !== 'object' || node === null) return node
  const { type, value } = node as { readonly type?: unknown; readonly value?: unknown }
  if (type === 'Literal') {
    const place = typeof value === 'string' ? PLACEHOLDER.exec(value)?.[1] : undefined
    return place === undefined ? node : { ...node, value: literals[Number(place)] }
  }
  return Object.fromEntries(Object.entries(node).map(([name, one]) => [name, restore(one, literals)]))
}

const interpreter = new ExactInterpreter()

/** Compiles a JMESPath expression. Throws if it is invalid; the compiled one throws if a function gets a wrong type. */
export const expressionOf = (expression: string): ((payload: JsonValue) => unknown) => {
  const { text, literals } = withoutNumbers(expression)
  const node = restore(compile(text, OPTIONS), literals) as Node
  return (payload) => interpreter.search(node, payload as LibraryValue)
}
