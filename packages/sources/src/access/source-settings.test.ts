import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { PRESETS } from '../presets/index.ts'
import { openAccess } from './source-access.ts'
import { secretsOf } from './source-settings.ts'

const WITH_COMMA = 'ab,cdefghijklmnopqrstuvwxyz'
const OTHER = '0123456789abcdef'

it('accepts a secret with a comma from a file with one secret per line', () => {
  expect(secretsOf({ text: `${WITH_COMMA}\n${OTHER}\n`, file: 'secrets' })).toEqual([WITH_COMMA, OTHER])
})

describe('keys and certificates in PEM', () => {
  const pairs = [1, 2].map(() => generateKeyPairSync('ec', { namedCurve: 'prime256v1' }))
  const [one, two] = pairs.map(({ publicKey }) => publicKey.export({ format: 'pem', type: 'spki' }) as string)

  it('are one secret each, in a file and in a variable', () => {
    const bare = [one!.trim(), two!.trim()]
    expect(secretsOf({ text: `${one}${two}`, file: 'keys' })).toEqual(bare)
    expect(secretsOf({ text: `${one},${two}` })).toEqual(bare)
    const escaped = one!.replaceAll('\n', '\\n')
    expect(secretsOf({ text: escaped })).toEqual([bare[0]])
    expect(secretsOf({ text: one!.replaceAll('\n', '\r\n'), file: 'keys' })).toEqual([bare[0]])
    // As YAML that folds lines, JSON, and editors leave them.
    for (const end of [' ', '', '\r', '\\r\\n', '\n  ', '\n\n']) {
      expect(secretsOf({ text: `${one!.replaceAll('\n', end)},${two!}` })).toEqual(bare)
    }
  })

  it.each([one!, one!.replaceAll('\n', '\\n'), one!.split('\n').slice(0, 2).join('\n'), `a,${one!}`])(
    'are refused as shared secrets, because they are public: %j',
    (text) => {
      const { access, problems } = openAccess(
        PRESETS.github,
        { SOURCE_GITHUB_SECRETS_FILE: 'keys' },
        () => text,
      )
      expect(access).toBeUndefined()
      expect(problems).toEqual([
        expect.stringMatching(/^SOURCE_GITHUB_SECRETS: secret 0 is a key in PEM, but HMAC/),
      ])
    },
  )

  it('turn a source on if a file has two of them', () => {
    const env = { SOURCE_SENDGRID_SECRETS_FILE: 'keys' }
    const { access, problems } = openAccess(PRESETS.sendgrid, env, () => `${one}${two}`)
    expect(problems).toEqual([])
    expect(access?.secrets).toHaveLength(2)
  })
})

it('refuses a secret with a comma in a variable, and never shows it', () => {
  expect(() => secretsOf({ text: WITH_COMMA })).toThrow(/secret 0 has only 2 characters. A comma separates/)
  expect(() => secretsOf({ text: WITH_COMMA })).not.toThrow(/ab,|cdef/)
  expect(secretsOf({ text: `${OTHER},${OTHER}2` })).toEqual([OTHER, `${OTHER}2`])
  expect(secretsOf({ text: 'short' })).toEqual(['short'])
})

it('names the variable in the problem, and leaves the source off', () => {
  const { access, problems } = openAccess(PRESETS.cxone, { SOURCE_CXONE_SECRETS: WITH_COMMA }, () => '')
  expect(access).toBeUndefined()
  expect(problems).toEqual([expect.stringMatching(/^SOURCE_CXONE_SECRETS: secret 0 has only 2 characters/)])
})

it('uses CXONE_WEBHOOK_SECRET for every built-in source of that system', () => {
  const env = { CXONE_WEBHOOK_SECRET: OTHER }
  const on = Object.values(PRESETS).filter((source) => openAccess(source, env, () => '').access !== undefined)
  expect(on.map(({ name }) => name)).toEqual(['cxone', 'nice'])
  expect(openAccess(PRESETS.nice, { ...env, SOURCE_NICE_SECRETS: 'own' }, () => '').access?.secrets).toEqual([
    'own',
  ])
})
