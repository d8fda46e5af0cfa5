import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ConfigError, describeSettings, loadSettings, setting, type Settings } from './index.ts'

const SETTINGS = {
  windowSecs: { env: 'X_WINDOW_SECS', schema: setting.integer(60, 1, 100), help: 'Seconds.' },
  token: {
    env: 'X_TOKEN',
    aliases: ['OLD_TOKEN'],
    schema: setting.text(),
    secret: true,
    help: 'Give a token.',
  },
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

test('every problem is named at once, with value and fix, without secrets', () => {
  const load = () => loadSettings(SETTINGS, { X_WINDOW_SECS: '1e9', X_ON: 'yes' })
  expect(load).toThrow(ConfigError)
  expect(load).toThrow(
    /X_WINDOW_SECS is "1e9": must be a whole number from 1 to 100[^]*X_TOKEN is not set[^]*X_ON is "yes"/,
  )
})

test('a number can be held to multiples', () => {
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
