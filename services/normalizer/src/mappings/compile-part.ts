import { isContainer, numberText, replaceExactNumbers, type JsonValue } from '@weir/exact-json'
import { JSONPath } from 'jsonpath-plus'
import { expressionOf } from './expression.ts'
import type { PartSource } from './mapping.ts'

/** Extracts one part of a payload; undefined if the payload lacks it. Never throws. */
export type Extract = (payload: unknown) => unknown

/** A path or an expression is invalid. The message says why. */
export class InvalidPartError extends Error {
  override readonly name = 'InvalidPartError'
}

const SEGMENT = String.raw`\.[A-Za-z_$][\w$-]*|\[\d+\]|\['[^'\\]*'\]|\["[^"\\]*"\]`
const PLAIN_PATH = new RegExp(`^\\$(?:${SEGMENT})*$`)

/** Names and indexes of a plain path; undefined for a path that needs a search. */
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

/** The property in which an exact number holds its digits. It is not a field of a payload. */
const NUMBER_FIELD = 'rawJSON'

/** `step` for names that every object inherits, and for the property of exact numbers. */
const ownStep = (value: unknown, segment: string): unknown =>
  isContainer(value) && !Array.isArray(value) && Object.hasOwn(value, segment)
    ? (value as Record<string, unknown>)[segment]
    : undefined

/** Nearly all paths are plain property accesses. A library would take tens of microseconds for each event. */
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

/** Filters and scripts in a path would run as code, so they are refused. */
const compileSearch = (path: string): Extract => {
  if (/[?(`]/.test(path)) {
    throw new InvalidPartError('a JSONPath may not have filters or scripts: use a JMESPath expression')
  }
  const parsed = JSONPath.toPathArray(path) as unknown as string
  const search = (payload: unknown): unknown => {
    // Exact numbers become texts, because the library would search them for fields.
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

/** A library that throws on a value, for example because of its type or its depth, has found no part. */
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
  if (!source.startsWith('$')) throw new InvalidPartError('a JSONPath must begin with $')
  const segments = plainSegments(source)
  return segments === undefined ? compileSearch(source) : compilePlainPath(segments)
}
