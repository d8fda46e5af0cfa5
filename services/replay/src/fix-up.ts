import type { FixUp } from './job.ts'

/** The edited body; undefined when it is not a JSON object after the edit. */
export const applyFixUp = (fixUp: FixUp, body: Buffer): Buffer | undefined => {
  const text = fixUp.replaceText.reduce(
    (edited, { find, with: replacement }) => edited.replaceAll(find, () => replacement),
    body.toString(),
  )
  try {
    const payload: unknown = JSON.parse(text)
    if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) return undefined
    const fields = new Map(Object.entries(payload))
    for (const [from, to] of Object.entries(fixUp.rename)) {
      if (!fields.has(from)) continue
      fields.set(to, fields.get(from))
      fields.delete(from)
    }
    for (const [name, value] of Object.entries(fixUp.set)) fields.set(name, value)
    for (const name of fixUp.remove) fields.delete(name)
    // Also makes one of a key that came twice.
    return Buffer.from(JSON.stringify(Object.fromEntries(fields)))
  } catch {
    return undefined
  }
}
