import type { HandshakeName } from '../handshakes/handshake.ts'
import type { SourceDefinition } from '../source.ts'
import type { VerifierSpec } from '../verifier/spec.ts'
import type { EntryProblem } from './entry-problem.ts'
import type { SourceEntry } from './schema.ts'

/** These handshakes respond with an HMAC. */
const SIGNING: readonly HandshakeName[] = ['zoom', 'twitter-crc']

export const handshakesOf = (entry: SourceEntry, preset: SourceDefinition): readonly HandshakeName[] => {
  const { handshake, responseProfile } = entry
  if (handshake !== undefined) return typeof handshake === 'string' ? [handshake] : handshake
  // The profile used to do both.
  const isSlack = typeof responseProfile === 'object' && responseProfile.accepted === 'slack'
  return isSlack ? ['slack'] : preset.handshakes
}

export const handshakeProblems = (
  entry: SourceEntry,
  preset: SourceDefinition,
  verifier: VerifierSpec,
): EntryProblem[] => {
  const names = handshakesOf(entry, preset)
  const problem = (path: string, message: string): EntryProblem => ({ path: [path], message })
  const origins = entry.handshakeOrigins ?? preset.origins
  const unsigned = names.filter((name) => SIGNING.includes(name) && verifier.kind !== 'hmac')
  const signsAnyText = names.includes('twitter-crc') && verifier.kind === 'hmac'
  return [
    // A caller can have any text signed, including a hash, so a signature over only a hash proves nothing.
    ...(signsAnyText && !verifier.content.includes('{body}')
      ? [
          problem(
            'handshake',
            'twitter-crc signs any text that a caller sends, so `verifier.content` must contain {body} itself and not only its hash',
          ),
        ]
      : []),
    ...unsigned.map((name) =>
      problem(
        'handshake',
        `${name} responds with an HMAC, so the source needs an HMAC verifier and its secret`,
      ),
    ),
    ...(names.includes('cloudevents') && origins.length === 0
      ? [problem('handshake', 'cloudevents needs `handshakeOrigins`: the origins that may send, or *')]
      : []),
    ...(entry.handshakeOrigins !== undefined && !names.includes('cloudevents')
      ? [problem('handshakeOrigins', 'needs `handshake: cloudevents`')]
      : []),
  ]
}
