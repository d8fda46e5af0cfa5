import type { SourceDefinition } from '../source.ts'
import { isSigned } from './spec.ts'

/** Warnings that are logged at every start. */
export const sourceWarnings = ({ name, verifier }: SourceDefinition): readonly string[] => {
  if (!isSigned(verifier) || verifier.allowSha1 !== true) return []
  if (verifier.kind !== 'sns' && !('algorithm' in verifier && verifier.algorithm === 'sha1')) return []
  return [
    `The source ${name} accepts SHA-1 signatures, which can be forged, because allowSha1 is set: ask the provider for SHA-256.`,
  ]
}
