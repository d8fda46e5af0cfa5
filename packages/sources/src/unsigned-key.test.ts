import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PRESETS } from './presets/index.ts'
import type { JsonObject, RequestFacts } from './source.ts'
import { parseSourcesFile } from './sources-file/parse-sources-file.ts'
import { isSignature } from './verifier/spec.ts'
import { signatureHeaders } from './verifier/verifier.ts'

describe.each(Object.values(PRESETS).filter(({ verifier }) => isSignature(verifier)))('$name', (source) => {
  const signed = new Set(signatureHeaders(source.verifier))
  const factsWith = (unsigned: string): RequestFacts => ({
    bodyHash: () => 'hash',
    header: (name) => (signed.has(name) ? 'signed' : unsigned),
  })
  const payloads = fc.jsonValue().map((value) => value as JsonObject)

  it('sends the same signed content to the same partition, under whatever headers', () => {
    fc.assert(
      fc.property(payloads, (payload) => {
        const [one, other] = ['1', '2'].map((value) => source.identify(payload, factsWith(value)))
        expect(one!.kind).toBe(other!.kind)
        if (one!.kind !== 'identified' || other!.kind !== 'identified') return
        expect(one!.identity.interactionId).toBe(other!.identity.interactionId)
        if (one!.identity.dedupKey !== other!.identity.dedupKey) expect(source.guardsContent).toBe(true)
      }),
    )
  })
})

it('guards exactly the presets whose ids are not signed', () => {
  const guarded = Object.values(PRESETS).flatMap(({ name, guardsContent }) => (guardsContent ? [name] : []))
  expect(guarded.sort()).toEqual(['github', 'shopify', 'twilio', 'zendesk'])
})

it.each<[string, boolean]>([
  ['preset: github', true],
  ['preset: github, guardContent: false', false],
  ["preset: github, dedupKey: '{body-hash}'", false],
  ['preset: custom', false],
  ["preset: custom, dedupKey: '{header:x-id}'", true],
  ["preset: custom, dedupKey: '{id|header:x-id}'", true],
  ["preset: custom, dedupKey: '{id}', guardContent: true", true],
  // The header is a part of what is signed.
  ["preset: custom, dedupKey: '{header:x-id}', verifier: { content: '{id}.{body}', idHeader: x-id }", false],
  ["preset: custom, dedupKey: '{header:x-id}', verifier: { content: '{header:x-id}.{body}' }", false],
  ["preset: cognigy, dedupKey: '{header:x-id}', unsigned: true", false],
])('%s is guarded: %s', (entry, guards) => {
  const { sources, problems } = parseSourcesFile(`version: 1\nsources:\n  s: { ${entry} }\n`)
  expect(problems).toEqual([])
  expect(sources[0]!.guardsContent).toBe(guards)
})
