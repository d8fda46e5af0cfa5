import { canonicalJson, isContainer, isJsonObject, type JsonObject, type JsonValue } from '@weir/exact-json'

/**
 * What stays the same when a provider sends an event again: the raw body, or, for a source that declares volatile fields
 * (dotted paths), the canonical JSON of the body without them. The body's hash is taken over it, so that a retry is no
 * conflict, whether it has the volatile fields or not and however it is spaced, ordered or escaped. What has no fields,
 * an opaque body above all, is its raw bytes.
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
 * The same value when the path leads nowhere. An object that contains only what is taken out goes with it, and
 * so does one that was sent empty: a delivery may leave out the field, or the object around it.
 */
const without = (value: JsonValue, [name, ...rest]: readonly string[]): JsonValue => {
  if (name === undefined || !isContainer(value) || !Object.hasOwn(value, name)) return value
  const isList: boolean = Array.isArray(value)
  const entries = Object.entries(value as JsonObject)
  const changed = rest.length === 0 ? undefined : without((value as JsonObject)[name]!, rest)
  if (isList) {
    // Places in a list are not taken out: what follows would move.
    return changed === undefined ? value : entries.map(([at, one]) => (at === name ? changed : one))
  }
  const isGone = changed === undefined || (isJsonObject(changed) && Object.keys(changed).length === 0)
  return Object.fromEntries(
    entries.flatMap(([key, one]) => (key !== name ? [[key, one]] : isGone ? [] : [[key, changed]])),
  )
}
