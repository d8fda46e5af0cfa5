import { isContainer, numberText, replaceExactNumbers, type JsonValue } from '@weir/exact-json'
import { JSONPath } from 'jsonpath-plus'
import { expressionOf } from './expression.ts'
import type { PartSource } from './mapping.ts'

/** Takes one part out of a payload; undefined where there is none. Never throws, whatever the payload is. */
export type Extract = (payload: unknown) => unknown

/** A path or an expression that cannot be used; the message says why. */
export class InvalidPartError extends Error {
  override readonly name = 'InvalidPartError'
}

const SEGMENT = String.raw`\.[A-Za-z_$][\w$-]*|\[\d+\]|\['[^'\\]*'\]|\["[^"\\]*"\]`
const PLAIN_PATH = new RegExp(`^\\$(?:${SEGMENT})*$`)

/** Names and indexes of a path that needs no search; undefined for one that does. */
export const plainSegments = (path: string): readonly (string | number)[] | undefined => {
  if (!PLAIN_PATH.test(path)) return undefined
  return [...path.matchAll(new RegExp(SEGMENT, 'g'))].map(([segment]) => {
    if (segment.startsWith('.')) return segment.slice(1)
    return /^\[\d/.test(segment) ? Number(segment.slice(1, -1)) : segment.slice(2, -2)
  })
}

const step = (value: unknown, segment: string | number): unknown => {
  if (typeof value !== 'object' || value === null) return undefined
  if (typeof segment === 'number') return Array.isArray(value) ? (value[segment] as unknown) : undefined
  if (Array.isArray(value)) return undefined
  return (value as Record<string, unknown>)[segment]
}

/** The name under which an exact number holds its digits: it is no field of a payload. */
const NUMBER_FIELD = 'rawJSON'

/** As `step`, for names that every object inherits, and for that of an exact number. */
const ownStep = (value: unknown, segment: string): unknown =>
  isContainer(value) && !Array.isArray(value) && Object.hasOwn(value, segment)
    ? (value as Record<string, unknown>)[segment]
    : undefined

/** A library's evaluation costs tens of microseconds for each event; nearly all paths are a walk along properties. */
const compilePlainPath = (segments: readonly (string | number)[]): Extract => {
  const steps = segments.map((segment) =>
    typeof segment === 'string' && (segment in Object.prototype || segment === NUMBER_FIELD)
      ? (value: unknown) => ownStep(value, segment)
      : (value: unknown) => step(value, segment),
  )
  const [first, second, third] = steps
  if (first === undefined) return (payload) => payload
  if (second === undefined) return first
  if (third === undefined) return (payload) => second(first(payload))
  return (payload) => {
    let value = payload
    for (const one of steps) value = one(value)
    return value
  }
}

/** Filters and scripts in a path would run as code: they are off. */
const compileSearch = (path: string): Extract => {
  if (/[?(`]/.test(path)) {
    throw new InvalidPartError('filters and scripts are not evaluated: give a JMESPath expression instead')
  }
  const parsed = JSONPath.toPathArray(path) as unknown as string
  const search = (payload: unknown): unknown => {
    // As their texts: the library would look for fields in them.
    const json = replaceExactNumbers(payload as JsonValue, numberText) as object
    const found: unknown = JSONPath({ path: parsed, json, eval: false, wrap: true })
    return Array.isArray(found) ? (found[0] as unknown) : undefined
  }
  return guarded(search)
}

const compileExpression = (expression: string): Extract => {
  try {
    return guarded(expressionOf(expression) as Extract)
  } catch (error) {
    throw new InvalidPartError((error as Error).message)
  }
}

/** What the libraries throw on odd values (types an expression does not expect, very deep nesting) means: no such part. */
const guarded =
  (extract: Extract): Extract =>
  (payload) => {
    try {
      return extract(payload)
    } catch {
      return undefined
    }
  }

/** Throws an `InvalidPartError`. */
export const compilePart = (source: PartSource): Extract => {
  if (typeof source !== 'string') return compileExpression(source.jmespath)
  if (!source.startsWith('$')) throw new InvalidPartError('a JSONPath begins with $')
  const segments = plainSegments(source)
  return segments === undefined ? compileSearch(source) : compilePlainPath(segments)
}
