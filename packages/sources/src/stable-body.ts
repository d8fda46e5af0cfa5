import type { JsonObject, JsonValue } from './source.ts'

/**
 * What stays the same when a provider sends an event again: the raw body, or its JSON without the fields that are
 * declared volatile (dotted paths). The body's hash is taken over it, so that a retry is no conflict.
 */
export const stableBody = (raw: Buffer, payload: JsonValue, volatileFields: readonly string[]): Buffer => {
  if (volatileFields.length === 0) return raw
  const stable = volatileFields.reduce((value, path) => without(value, path.split('.')), payload)
  const text = JSON.stringify(stable)
  return text === JSON.stringify(payload) ? raw : Buffer.from(text)
}

/** The same value when the path leads nowhere. */
const without = (value: JsonValue, [name, ...rest]: readonly string[]): JsonValue => {
  if (name === undefined || typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) {
    return value
  }
  const isList: boolean = Array.isArray(value)
  const entries = Object.entries(value as JsonObject)
  const changed = rest.length === 0 ? undefined : without((value as JsonObject)[name]!, rest)
  if (isList) {
    // Places in a list are not taken out: what follows would move.
    return changed === undefined ? value : entries.map(([at, one]) => (at === name ? changed : one))
  }
  return Object.fromEntries(
    entries.flatMap(([key, one]) =>
      key !== name ? [[key, one]] : changed === undefined ? [] : [[key, changed]],
    ),
  )
}
