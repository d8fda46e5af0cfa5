import { fillKeyTemplate, fillTemplate, parseKeyTemplate, parseTemplate } from './key-template.ts'
import type { Identify, KeyTexts, RequestFacts } from './source.ts'
import { compileContent } from './verifier/content/signed-content.ts'
import { isSignature, type VerifierSpec } from './verifier/spec.ts'
import { signatureHeaders } from './verifier/verifier.ts'

/** A source's way to its keys: its own, and the templates that take the place of parts of it. */
type Keys = { readonly identify: Identify } & Partial<Pick<KeyTexts, 'entityKey' | 'dedupKey'>>

/**
 * Whether requests with the same signed content can have different dedup keys, because a header that is not signed is
 * a part of them, or because other bodies are signed alike.
 */
export const hasUnsignedKey = (verifier: VerifierSpec, { identify, dedupKey }: Keys): boolean => {
  if (isSignature(verifier) && !compileContent(verifier.content).bindsBody) return true
  const template = dedupKey === undefined ? undefined : parseKeyTemplate(dedupKey)
  return differs(verifier, (facts) =>
    template ? fillKeyTemplate(template, {}, facts).text : identityOf(identify, facts)?.dedupKey,
  )
}

/** Whether requests with the same signed content can belong to different entities, and so come to different partitions. */
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

/** Of a body that has none of the fields, so that headers take their place. */
const differs = (verifier: VerifierSpec, keyOf: (facts: RequestFacts) => string | undefined): boolean => {
  if (!isSignature(verifier)) return false
  const signed = new Set(signatureHeaders(verifier))
  const [one, other] = ['1', '2'].map((value) =>
    keyOf({ bodyHash: () => 'h', header: (name) => (signed.has(name) ? 's' : value), around: () => 'a' }),
  )
  return one !== other
}
