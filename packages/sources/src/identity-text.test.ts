import { expect, it } from 'vitest'
import { identityText } from './identity-text.ts'
import { parseSourcesFile } from './sources-file/parse-sources-file.ts'

const textOf = (entry: string): string => {
  const { sources, problems } = parseSourcesFile(`version: 1\nsources:\n  s: { ${entry} }\n`)
  expect(problems).toEqual([])
  return identityText(sources[0]!)
}

it.each([
  ['preset: github', 'preset: github, guardContent: false'],
  ['preset: custom', 'preset: custom, guardContent: true'],
  ["preset: custom, dedupKey: '{id}'", "preset: custom, dedupKey: '{id}', guardContent: true"],
  ['preset: cxone', 'preset: cxone, requireSequence: true'],
  ['preset: custom', 'preset: custom, volatileFields: [attempt]'],
  ['preset: custom', 'preset: custom, split: "$"'],
  ['preset: custom, split: "$"', 'preset: custom, split: "$.events"'],
  ['preset: github, form: payload', 'preset: github, form: fields'],
  // Whether the header is signed decides whether what was signed is guarded.
  [
    "preset: custom, dedupKey: '{header:x-id}'",
    "preset: custom, dedupKey: '{header:x-id}', verifier: { content: '{header:x-id}.{body}' }",
  ],
])('distinguishes %s from %s', (one, other) => {
  expect(textOf(one)).not.toBe(textOf(other))
})

it.each([
  ['preset: github', 'preset: github, guardContent: true'],
  ['preset: custom', 'preset: custom, guardContent: false'],
  ['preset: custom', 'preset: custom, onInvalid: accept-dlq, shadow: true, paths: [/other]'],
])('treats %s and %s as the same', (one, other) => {
  expect(textOf(one)).toBe(textOf(other))
})
