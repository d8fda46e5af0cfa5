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

it('guards presets with unsigned ids', () => {
  const guarded = Object.values(PRESETS).flatMap(({ name, guardsContent }) => (guardsContent ? [name] : []))
  expect(guarded).toEqual(expect.arrayContaining(['github', 'shopify', 'twilio', 'zendesk']))
  const signed = ['stripe', 'svix', 'standard-webhooks', 'pagerduty', 'hubspot', 'zoom', 'custom']
  expect(guarded.filter((name) => signed.includes(name))).toEqual([])
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
  // Other bodies, and so other keys of them, are signed alike.
  ["preset: custom, verifier: { content: '{header:x-id}|{body-crc32}' }", true],
  ["preset: custom, dedupKey: '{body-hash}', verifier: { content: '{body-crc32}' }", true],
  ["preset: custom, verifier: { content: '{body-sha256}' }", false],
  [
    "preset: custom, dedupKey: '{CallSid}', verifier: { content: '{url}{form}', publicUrl: 'https://a.example' }",
    true,
  ],
  // What the preset signs its id with is gone.
  ["preset: standard-webhooks, verifier: { idHeader: x-other }, entityKey: '{data.id|body-hash}'", true],
  ["preset: cloudevents, verifier: { header: x-s }, entityKey: '{subject|source|body-hash}'", true],
  ["preset: custom, dedupKey: '{header:x-id}', entityKey: '{header:x-e}', guardContent: false", false],
])('%s is guarded: %s', (entry, guards) => {
  const { sources, problems } = parseSourcesFile(`version: 1\nsources:\n  s: { ${entry} }\n`)
  expect(problems).toEqual([])
  expect(sources[0]!.guardsContent).toBe(guards)
})

it.each<[string, RegExp]>([
  [
    "preset: custom, dedupKey: '{header:x-id}', entityKey: '{header:x-e}'",
    /entity comes from an unsigned header/,
  ],
  ["preset: github, entityKey: '{repository.full_name|header:x-e}'", /entity comes from an unsigned header/],
  ['preset: standard-webhooks, verifier: { idHeader: x-other }', /entity comes from an unsigned header/],
  ['preset: cloudevents, verifier: { header: x-s }', /entity comes from an unsigned header/],
  [
    'preset: custom, unsigned: true, guardContent: true, clientCertificate: { header: x-c, form: subject, identities: [CN=a] }',
    /needs a signature/,
  ],
  ['preset: cognigy, guardContent: true', /needs a signature/],
  ["preset: sns, topics: ['arn:aws:sns:eu-west-1:123456789012:t'], guardContent: true", /needs a signature/],
])('%s is refused because its content could not be guarded', (entry, message) => {
  const { problems } = parseSourcesFile(`version: 1\nsources:\n  s: { ${entry} }\n`)
  expect(problems.map((problem) => JSON.stringify(problem)).join()).toMatch(message)
})
