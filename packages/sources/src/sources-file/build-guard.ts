import type { SourceDefinition } from '../source.ts'
import { hasUnsignedEntity, hasUnsignedKey } from '../unsigned-key.ts'
import { isSignature, type VerifierSpec } from '../verifier/spec.ts'
import type { EntryProblem } from './entry-problem.ts'
import type { SourceEntry } from './schema.ts'

/** By default, content is guarded if the dedup key can come from an unsigned header. */
export const guardsContent = (
  { guardContent, dedupKey }: SourceEntry,
  verifier: VerifierSpec,
  { identify }: SourceDefinition,
): boolean =>
  guardContent ?? hasUnsignedKey(verifier, { identify, ...(dedupKey !== undefined && { dedupKey }) })

/** Explains why content cannot be guarded. */
export const guardProblems = (
  entry: SourceEntry,
  verifier: VerifierSpec,
  preset: SourceDefinition,
): EntryProblem[] => {
  const { guardContent, entityKey } = entry
  if (guardContent === true && !isSignature(verifier)) {
    return [
      {
        path: ['guardContent'],
        message: 'needs a signature in a header, because an unsigned request has no signed content to guard',
      },
    ]
  }
  if (!guardsContent(entry, verifier, preset)) return []
  const { identify } = preset
  if (!hasUnsignedEntity(verifier, { identify, ...(entityKey !== undefined && { entityKey }) })) return []
  return [
    {
      path: [entityKey === undefined ? 'verifier' : 'entityKey'],
      message:
        'the entity comes from an unsigned header, so a captured request could be sent again to another partition, ' +
        'where its content is unknown: take `entityKey` from the body, include the header in the signed content, or set `guardContent: false`',
    },
  ]
}
