import { canonicalJson, isContainer, isJsonObject, type JsonObject, type JsonValue } from '@weir/exact-json'

/**
 * The part of a body that stays the same when a provider retries: the raw body or, for a source with volatile fields
 * (dotted paths), the canonical JSON of the body without those fields. The body hash covers it, so a retry is not a
 * conflict, whatever its volatile fields, spacing, order of names or escapes. A body without fields, such as an opaque
 * one, counts as its raw bytes.
 */
export const stableBody = (raw: Buffer, payload: JsonValue, volatileFields: readonly string[]): Buffer =>
  volatileFields.length === 0 || !isContainer(payload)
    ? raw
    : Buffer.from(
        canonicalJson(
          volatileFields.reduce<JsonValue>((value, path) => without(value, path.split('.')), payload),
        ),
      )

/**
 * Returns the same value if the path leads nowhere. An object that contains only the removed field is removed too, and
 * so is an object that was sent empty, because a delivery may omit the field or the object around it.
 */
const without = (value: JsonValue, [name, ...rest]: readonly string[]): JsonValue => {
  if (name === undefined || !isContainer(value) || !Object.hasOwn(value, name)) return value
  const isList: boolean = Array.isArray(value)
  const entries = Object.entries(value as JsonObject)
  const changed = rest.length === 0 ? undefined : without((value as JsonObject)[name]!, rest)
  if (isList) {
    // Array elements are not removed, because the following ones would move.
    return changed === undefined ? value : entries.map(([at, one]) => (at === name ? changed : one))
  }
  const isGone = changed === undefined || (isJsonObject(changed) && Object.keys(changed).length === 0)
  return Object.fromEntries(
    entries.flatMap(([key, one]) => (key !== name ? [[key, one]] : isGone ? [] : [[key, changed]])),
  )
}
