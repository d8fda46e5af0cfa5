import { fillKeyTemplate, parseKeyTemplate, parseTemplate, usesBatch } from '../key-template.ts'
import type { RequestFacts, SourceDefinition, SplitRule } from '../source.ts'
import type { EntryProblem } from './entry-problem.ts'
import type { SourceEntry } from './schema.ts'

const ITEMS_MAX = 1_000

export const splitOf = (
  { split, splitItemsMax: itemsMax }: SourceEntry,
  preset: SourceDefinition,
): SplitRule | undefined => {
  if (split === undefined) return preset.split && { ...preset.split, ...(itemsMax && { itemsMax }) }
  const path = split === '$' ? [] : split.replace(/^\$\./, '').split('.')
  return { path, itemsMax: itemsMax ?? ITEMS_MAX }
}

/** Why the elements of a batch would not be separate events. The templates were parsed before. */
export const splitProblems = (entry: SourceEntry, preset: SourceDefinition): EntryProblem[] => {
  const split = splitOf(entry, preset)
  if (split === undefined) {
    const outside = (['entityKey', 'eventType', 'dedupKey'] as const).filter((field) => {
      const text = entry[field]
      return text !== undefined && usesBatch(parseTemplate(text))
    })
    return [
      ...outside.map((field) => ({ path: [field], message: '{batch:...} needs `split`' })),
      ...(entry.splitItemsMax === undefined ? [] : [{ path: ['splitItemsMax'], message: 'needs `split`' }]),
    ]
  }
  if (preset.body === 'opaque') {
    return [
      {
        path: ['split'],
        message: `bodies of the preset ${preset.name} are not parsed, so they cannot be split`,
      },
    ]
  }
  // A preset that splits bodies of only one media type takes its keys from headers for the others.
  if (split.mediaType !== undefined || isKeyOfElement(entry, preset)) return []
  return [
    {
      path: [entry.dedupKey === undefined ? 'split' : 'dedupKey'],
      message:
        'the dedup key can consist only of headers, {batch:...} and texts, which are the same for every element of a batch: ' +
        'give a `dedupKey` with a field of the element or {body-hash} that has no other alternative',
    },
  ]
}

/** An element without any field, in a request that has every header and every field outside the elements. */
const bareElement = (bodyHash: string): RequestFacts => ({
  bodyHash: () => bodyHash,
  header: () => 'h',
  around: () => 'a',
})

/**
 * Tells whether the dedup keys of two elements always differ. An element without any of the fields gets its body hash.
 */
const isKeyOfElement = ({ dedupKey }: SourceEntry, preset: SourceDefinition): boolean => {
  const [one, other] = ['1', '2'].map((hash) => {
    const facts = bareElement(hash)
    if (dedupKey !== undefined) return fillKeyTemplate(parseKeyTemplate(dedupKey), {}, facts).text
    const result = preset.identify({}, facts)
    return result.kind === 'identified' ? result.identity.dedupKey : hash
  })
  return one !== other
}
