import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ConfigError, describeSettings, loadSettings, setting, type Settings } from '../index.ts'

const SETTINGS = {
  windowSecs: { env: 'X_WINDOW_SECS', schema: setting.integer(60, 1, 100), help: 'Seconds.' },
  token: { env: 'X_TOKEN', aliases: ['OLD_TOKEN'], schema: setting.secret(), help: 'Give a token.' },
  hosts: { env: 'X_HOSTS', schema: setting.list(['a', 'b']), help: 'Hosts.' },
  on: { env: 'X_ON', schema: setting.flag(false), help: 'Switch.' },
} satisfies Settings

test('values come from the environment, an alias, a file or the default', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'weir-')), 'token')
  writeFileSync(file, 's3cret\n')
  expect(loadSettings(SETTINGS, { X_TOKEN_FILE: file, X_ON: 'true' })).toEqual({
    windowSecs: 60,
    token: 's3cret',
    hosts: ['a', 'b'],
    on: true,
  })
  expect(loadSettings(SETTINGS, { OLD_TOKEN: 't', X_HOSTS: 'c, d' }).hosts).toEqual(['c', 'd'])
})

test('reports every problem at once, with value and fix, without secrets', () => {
  const load = () => loadSettings(SETTINGS, { X_WINDOW_SECS: '1e9', X_ON: 'yes' })
  expect(load).toThrow(ConfigError)
  expect(load).toThrow(
    /X_WINDOW_SECS is "1e9": must be a whole number from 1 to 100[^]*X_TOKEN is not set[^]*X_ON is "yes"/,
  )
})

test('a number can be limited to multiples', () => {
  const ms = { env: 'X_MS', schema: setting.integer(10_000, 2_000, 90_000, 1_000), help: 'Milliseconds.' }
  expect(loadSettings({ ms }, { X_MS: '9000' })).toEqual({ ms: 9_000 })
  expect(() => loadSettings({ ms }, { X_MS: '9001' })).toThrow(
    'X_MS is "9001": must be a multiple of 1000 from 2000 to 90000. Milliseconds.',
  )
})

test('a list without a default must be set', () => {
  const settings = { hosts: { env: 'X_HOSTS', schema: setting.list(), help: 'Hosts.' } } satisfies Settings
  expect(() => loadSettings(settings, {})).toThrow('X_HOSTS is not set: must be set. Hosts.')
})

test('a relation between settings is checked, a missing file is named', () => {
  const check = () => ['X_WINDOW_SECS (60) is too small: give 70']
  expect(() => loadSettings(SETTINGS, { X_TOKEN: 't' }, check)).toThrow(/give 70/)
  expect(() => loadSettings(SETTINGS, { X_TOKEN_FILE: '/nowhere/x' })).toThrow(
    /X_TOKEN_FILE: cannot read .*ENOENT/,
  )
})

test('a description shows no secret', () => {
  const config = loadSettings(SETTINGS, { X_TOKEN: 'hush' })
  expect(JSON.stringify(describeSettings(SETTINGS, config))).not.toContain('hush')
})

test('a URL is shown without user, password and query, and a refused one is not shown', () => {
  const settings = {
    registry: { env: 'X_URL', schema: setting.httpUrl({ credentials: true }), help: 'Base URL.' },
    database: { env: 'X_DATABASE', schema: setting.optionalPostgresUrl(), help: 'Database.' },
    site: { env: 'X_SITE', schema: setting.httpUrl({ credentials: false }, 'https://site'), help: 'Site.' },
  } satisfies Settings
  const config = loadSettings(settings, {
    X_URL: 'http://user:pass@host:81/api?key=k',
    X_DATABASE: 'postgres://u:p@h/db',
  })
  expect(config.registry).toBe('http://user:pass@host:81/api?key=k')
  expect(describeSettings(settings, config)).toEqual({
    registry: 'http://***@host:81/api?***',
    database: 'postgres://***@h/db',
    site: 'https://site/',
  })
  expect(() => loadSettings(settings, { X_URL: 'ftp://user:pass@host' })).toThrow(
    'X_URL is set: must be a URL that begins with http://, special characters of its password percent-encoded. Base URL.',
  )
  expect(() => loadSettings(settings, {})).toThrow('X_URL is not set: must be set. Base URL.')
  expect(() => loadSettings(settings, { X_URL: 'http://host', X_SITE: 'https://user:pass@site' })).toThrow(
    'X_SITE is set: must be a URL without user and password. Site.',
  )
})

test('each line of a file is one secret, commas included; a variable separates secrets by commas', () => {
  const settings = {
    tokens: { env: 'X_TOKENS', schema: setting.secretList([]), help: 'Tokens.' },
    keys: { env: 'X_KEYS', schema: setting.secretEntries(), help: 'Keys.' },
  } satisfies Settings
  const file = join(mkdtempSync(join(tmpdir(), 'weir-')), 'tokens')
  for (const [text, tokens] of [
    ['a,b', ['a,b']],
    ['a,b\r\n c \n\nd', ['a,b', 'c', 'd']],
    ['', []],
  ] as const) {
    writeFileSync(file, text)
    expect(loadSettings(settings, { X_TOKENS_FILE: file }).tokens).toEqual(tokens)
  }
  writeFileSync(file, 'a:1,b:2\nc:3\n')
  expect(loadSettings(settings, { X_TOKENS: 'a,b', X_KEYS_FILE: file })).toEqual({
    tokens: ['a', 'b'],
    keys: ['a:1', 'b:2', 'c:3'],
  })
})

test('secrets are removed from the messages of a check', () => {
  const check = ({ token }: { readonly token: string }) => [`the token ${token} is bad`]
  expect(() => loadSettings(SETTINGS, { X_TOKEN: 'a-long-token' }, check)).toThrow('the token *** is bad')
})
