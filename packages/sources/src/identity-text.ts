import type { SourceDefinition } from './source.ts'

/** All of a source that decides about an event's keys and its body's hash: equal texts identify alike. */
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
