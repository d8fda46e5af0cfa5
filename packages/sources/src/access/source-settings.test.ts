import { expect, it } from 'vitest'
import { PRESETS } from '../presets/index.ts'
import { openAccess } from './source-access.ts'
import { secretsOf } from './source-settings.ts'

const WITH_COMMA = 'ab,cdefghijklmnopqrstuvwxyz'
const OTHER = '0123456789abcdef'

it('takes a secret with a comma whole from a file, one a line', () => {
  expect(secretsOf({ text: `${WITH_COMMA}\n${OTHER}\n`, file: 'secrets' })).toEqual([WITH_COMMA, OTHER])
})

it('refuses a secret with a comma in a variable, and never shows it', () => {
  expect(() => secretsOf({ text: WITH_COMMA })).toThrow(/secret 0 has 2 characters: a comma separates/)
  expect(() => secretsOf({ text: WITH_COMMA })).not.toThrow(/ab,|cdef/)
  expect(secretsOf({ text: `${OTHER},${OTHER}2` })).toEqual([OTHER, `${OTHER}2`])
  expect(secretsOf({ text: 'short' })).toEqual(['short'])
})

it('names the variable, and leaves the source off', () => {
  const { access, problems } = openAccess(PRESETS.cxone, { SOURCE_CXONE_SECRETS: WITH_COMMA }, () => '')
  expect(access).toBeUndefined()
  expect(problems).toEqual([expect.stringMatching(/^SOURCE_CXONE_SECRETS: secret 0 has 2 characters/)])
})

it('takes CXONE_WEBHOOK_SECRET for every built-in source that its system signs with it', () => {
  const env = { CXONE_WEBHOOK_SECRET: OTHER }
  const on = Object.values(PRESETS).filter((source) => openAccess(source, env, () => '').access !== undefined)
  expect(on.map(({ name }) => name)).toEqual(['cxone', 'nice'])
  expect(openAccess(PRESETS.nice, { ...env, SOURCE_NICE_SECRETS: 'own' }, () => '').access?.secrets).toEqual([
    'own',
  ])
})
