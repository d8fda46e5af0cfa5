import type { SourceDefinition } from './source.ts'

/**
 * Everything about a source that determines event keys and body hashes. Sources with equal texts identify events in the
 * same way.
 */
export const identityText = ({
  preset,
  body,
  form,
  split,
  requireSequence,
  guardsContent,
  volatileFields,
  keyTexts = {},
}: SourceDefinition): string =>
  JSON.stringify({
    preset,
    body,
    volatileFields: volatileFields.toSorted(),
    ...(requireSequence && { requireSequence }),
    ...(guardsContent && { guardsContent }),
    ...(form !== undefined && { form }),
    ...(split !== undefined && { split: [split.path, split.mediaType] }),
    keys: Object.fromEntries(Object.entries(keyTexts).sort(([a], [b]) => (a < b ? -1 : 1))),
  })
