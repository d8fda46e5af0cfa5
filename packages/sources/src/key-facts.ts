import { idOf } from './fields.ts'
import type { RequestFacts } from './source.ts'

/**
 * What the keys of a source may contain besides the body, by its template name, such as `header:x-github-event` or
 * `batch:object`. It is stored with a malformed body, so that the repaired body gets the right keys.
 */
export type KeyFacts = Readonly<Record<string, string>>

/** A header that is an id may be percent-encoded. A longer value is ignored. */
const BYTES_MAX = 2_048

export const headerFact = (name: string): string => `header:${name}`
export const batchFact = (path: readonly string[]): string => `batch:${path.join('.')}`

export const collectKeyFacts = (
  names: readonly string[],
  header: RequestFacts['header'],
  around: RequestFacts['around'],
): KeyFacts => {
  const kept = names.flatMap((fact) => {
    const [kind, name = ''] = fact.split(/:(.*)/s)
    const text = kind === 'header' ? header(name) : idOf(around?.(name.split('.')))
    return text === undefined || Buffer.byteLength(text) > BYTES_MAX ? [] : [[fact, text] as const]
  })
  return Object.fromEntries(kept)
}

export const readKeyFacts = (kept: KeyFacts): Pick<RequestFacts, 'header' | 'around'> => ({
  header: (name) => valueOf(kept, headerFact(name)),
  around: (path) => valueOf(kept, batchFact(path)),
})

const valueOf = (kept: KeyFacts, name: string): string | undefined =>
  Object.hasOwn(kept, name) ? kept[name] : undefined
