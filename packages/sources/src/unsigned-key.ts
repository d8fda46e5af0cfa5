import { fillKeyTemplate, fillTemplate, parseKeyTemplate, parseTemplate } from './key-template.ts'
import type { Identify, KeyTexts, RequestFacts } from './source.ts'
import { compileContent } from './verifier/content/signed-content.ts'
import { isSignature, type VerifierSpec } from './verifier/spec.ts'
import { signatureHeaders } from './verifier/verifier.ts'

/** How a source makes its keys: its own function, and the templates that replace parts of it. */
type Keys = { readonly identify: Identify } & Partial<Pick<KeyTexts, 'entityKey' | 'dedupKey'>>

/**
 * Tells whether requests with the same signed content can have different dedup keys, because an unsigned header is part
 * of the key or because other bodies have the same signature.
 */
export const hasUnsignedKey = (verifier: VerifierSpec, { identify, dedupKey }: Keys): boolean => {
  if (isSignature(verifier) && !compileContent(verifier.content).bindsBody) return true
  const template = dedupKey === undefined ? undefined : parseKeyTemplate(dedupKey)
  return differs(verifier, (facts) =>
    template ? fillKeyTemplate(template, {}, facts).text : identityOf(identify, facts)?.dedupKey,
  )
}

/**
 * Tells whether requests with the same signed content can belong to different entities, and so reach different
 * partitions.
 */
export const hasUnsignedEntity = (verifier: VerifierSpec, { identify, entityKey }: Keys): boolean => {
  const template = entityKey === undefined ? undefined : parseTemplate(entityKey)
  return differs(verifier, (facts) =>
    template ? fillTemplate(template, {}, facts) : identityOf(identify, facts)?.interactionId,
  )
}

const identityOf = (identify: Identify, facts: RequestFacts) => {
  const result = identify({}, facts)
  return result.kind === 'identified' ? result.identity : undefined
}

/** The keys of a body without any of the fields, so that headers replace them. */
const differs = (verifier: VerifierSpec, keyOf: (facts: RequestFacts) => string | undefined): boolean => {
  if (!isSignature(verifier)) return false
  const signed = new Set(signatureHeaders(verifier))
  const [one, other] = ['1', '2'].map((value) =>
    keyOf({ bodyHash: () => 'h', header: (name) => (signed.has(name) ? 's' : value), around: () => 'a' }),
  )
  return one !== other
}
