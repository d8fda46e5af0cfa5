import type { RequestFacts } from './source.ts'
import { isSignature, type VerifierSpec } from './verifier/spec.ts'
import { signatureHeaders } from './verifier/verifier.ts'

/**
 * Whether requests with the same signed content can have different dedup keys, because a header that is not signed is
 * a part of them. `keyOf`: the dedup key of a body that has none of the fields, or undefined.
 */
export const hasUnsignedKey = (
  verifier: VerifierSpec,
  keyOf: (facts: RequestFacts) => string | undefined,
): boolean => {
  if (!isSignature(verifier)) return false
  const signed = new Set(signatureHeaders(verifier))
  const [one, other] = ['1', '2'].map((value) =>
    keyOf({
      bodyHash: () => 'h',
      header: (name) => (signed.has(name) ? 's' : value),
      around: () => 'a',
    }),
  )
  return one !== other
}
