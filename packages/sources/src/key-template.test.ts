import fc from 'fast-check'
import { expect, it } from 'vitest'
import { identifyByTemplates, overrideKeys } from './identify.ts'
import { fillKeyTemplate, fillTemplate, parseKeyTemplate, parseTemplate } from './key-template.ts'
import type { JsonValue, RequestFacts } from './source.ts'

const facts: RequestFacts = {
  bodyHash: () => 'HASH',
  header: (name) => (name === 'x-event' ? 'push' : undefined),
}

it.each<[string, JsonValue, string | undefined]>([
  ['{id}', { id: 'a' }, 'a'],
  ['{id}', { id: 7 }, '7'],
  ['{$.body-hash}', { 'body-hash': 'own' }, 'own'],
  ['{body-hash}', { 'body-hash': 'own' }, 'HASH'],
  ['{data.list.1.id}', { data: { list: [{ id: 'a' }, { id: 'b' }] } }, 'b'],
  ['{header:X-Event}.{type}', { type: 't' }, 'push.t'],
  ["{type|kind|'none'}", {}, 'none'],
  ['{type|kind}', { type: null, kind: 'k' }, 'k'],
  ['{type}', { type: { a: 1 } }, undefined],
  ['{type}', { type: 'a\0b' }, undefined],
  ['{__proto__.x}', {}, undefined],
  ['{constructor}', {}, undefined],
])('fills %s from %j', (template, payload, text) => {
  expect(fillTemplate(parseTemplate(template), payload, facts)).toBe(text)
})

it.each(['', '{', '{a', 'a}', '{}', '{a b}', '{a|}', '{a..b}'])('refuses %s', (text) => {
  expect(() => parseTemplate(text)).toThrow()
})

it.each([
  ['{a}-{b}', /separate .* with `:`/],
  ['constant', /at least one field/],
  ['{a}::{b}', /empty/],
])('refuses the dedup key %s', (text, message) => {
  expect(() => parseKeyTemplate(text)).toThrow(message)
})

it('replaces a missing part with the hash of the body, and names the part', () => {
  const template = parseKeyTemplate('{id}:{header:x-other|type}:fixed')
  expect(fillKeyTemplate(template, { id: 'i', type: 't' }, facts)).toEqual({
    text: 'i:t:fixed',
    fallback: 'x-other',
  })
  expect(fillKeyTemplate(template, { id: 'i' }, facts)).toEqual({ text: 'i:HASH:fixed', fallback: 'x-other' })
  expect(fillKeyTemplate(template, null, facts)).toEqual({ text: 'HASH:HASH:fixed', fallback: 'id' })
})

it('gives different parts different keys', () => {
  const template = parseKeyTemplate('{a}:{b}')
  const part = fc.string({ minLength: 1 }).filter((text) => !text.includes('\0'))
  fc.assert(
    fc.property(part, part, part, part, (a, b, c, d) => {
      const same = a === c && b === d
      const key = (one: string, other: string) => fillKeyTemplate(template, { a: one, b: other }, facts).text
      expect(key(a, b) === key(c, d)).toBe(same)
    }),
  )
})

it('replaces parts of a preset, and its rules once all three are given', () => {
  const base = identifyByTemplates({ entityKey: '{id}', eventType: '{type}', dedupKey: '{id}:{type}' })
  const payload = { id: 'i', type: 't', other: 'o', n: '5' }
  expect(overrideKeys(base, {})).toBe(base)
  expect(overrideKeys(base, { dedupKey: '{other}', sequence: 'n' })(payload, facts)).toMatchObject({
    identity: { interactionId: 'i', eventType: 't', dedupKey: 'o', sequence: 5n },
  })
  const all = overrideKeys(base, { entityKey: '{other}', eventType: 'fixed', dedupKey: '{other}' })
  expect(all({ other: 'o' }, facts)).toMatchObject({ identity: { interactionId: 'o', eventType: 'fixed' } })
  expect(overrideKeys(base, { entityKey: '{gone}' })(payload, facts)).toMatchObject({
    problem: { reason: 'missing_field', detail: 'gone is missing' },
  })
})
