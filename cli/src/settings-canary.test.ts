import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeSettings, isSecret, type Environment, type Settings } from '@weir/runtime'
import { afterAll, describe, expect, it } from 'vitest'
import { ALL_SERVICES } from './all-services.ts'
import {
  AUDIT_SETTINGS,
  loadAuditConfig,
  loadReplayClientConfig,
  loadStartConfig,
  loadTopicsConfig,
  REPLAY_CLIENT_SETTINGS,
  START_SETTINGS,
  TOPICS_SETTINGS,
} from './config.ts'
import { loadRegistrationConfig, REGISTRATION_SETTINGS } from './sources/registration/config.ts'

interface Reader {
  readonly name: string
  readonly settings: Settings
  readonly loadConfig: (env: Environment) => object
}

const READERS: readonly Reader[] = [
  ...ALL_SERVICES,
  { name: 'npm start', settings: START_SETTINGS, loadConfig: loadStartConfig },
  { name: 'weir topics', settings: TOPICS_SETTINGS, loadConfig: loadTopicsConfig },
  { name: 'weir audit', settings: AUDIT_SETTINGS, loadConfig: loadAuditConfig },
  { name: 'weir dlq', settings: REPLAY_CLIENT_SETTINGS, loadConfig: loadReplayClientConfig },
  { name: 'weir sources register', settings: REGISTRATION_SETTINGS, loadConfig: loadRegistrationConfig },
]

const KEY = '0123456789abcdef'.repeat(4)
const GOOD: Environment = {
  WEIR_PROFILE: 'production',
  KAFKA_BROKERS: 'broker:9092',
  SCHEMA_REGISTRY_URL: 'http://registry:8081',
  DATABASE_URL: 'postgres://database/weir',
  BODY_HASH_KEY: 'k'.repeat(32),
  DLQ_KEYS: `a:${KEY}`,
  REPLAY_TOKENS: `ann:${'t'.repeat(32)}`,
  CONSOLE_TOKENS: 't'.repeat(32),
  SOURCE_CXONE_SECRETS: 's'.repeat(32),
  SOURCE_CXONE_DATAACTION_SECRETS: 's'.repeat(32),
  SOURCE_NICE_SECRETS: 's'.repeat(32),
  CXONE_CLIENT_ID: 'id',
  CXONE_CLIENT_SECRET: 's'.repeat(32),
  CXONE_INSTANCE: 'api.example',
  CXONE_WEBHOOK_URL: 'https://weir.example/webhooks/cxone',
}
const CANARY = 'canary7f3a9c'

/** A password where an operator puts one: alone, or before a host. */
const LOCATED = [
  `http://user:${CANARY}@host:1/path`,
  `https://${CANARY}:${CANARY}@host`,
  `postgres://user:${CANARY}@host:5432/db?password=x`,
  `user:${CANARY}@host:9092`,
  `a:1,user:${CANARY}@host:9092,b:2`,
  `http://user:${CANARY}@host:not-a-port`,
  `postgres://user:${CANARY}/x@host/db`,
  `amqp://user:${CANARY}@host`,
]
const ALONE = [
  CANARY,
  `${CANARY},${CANARY}`,
  `${CANARY}, short`,
  `ann:${CANARY}`,
  `${CANARY}:ann`,
  `a:${CANARY}:b`,
  `${CANARY}${'x'.repeat(64)}`,
  `ann:${CANARY}\nbob:${CANARY}`,
  `whsec_${CANARY}`,
  `\u0000${CANARY}`,
]

const folder = mkdtempSync(join(tmpdir(), 'weir-canary-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** What a start with this environment would log or say. */
const said = ({ settings, loadConfig }: Reader, env: Environment): string => {
  try {
    return JSON.stringify(describeSettings(settings, loadConfig(env)))
  } catch (error) {
    const { message, stack, cause } = error as Error
    return [message, stack, String(cause)].join('\n')
  }
}

describe.each(READERS)('$name', (reader) => {
  const names = Object.values(reader.settings).flatMap(({ env, aliases = [] }) => [env, ...aliases])

  it.each(names)('%s: neither a refusal nor the line of the start shows what is secret in it', (name) => {
    const setting = Object.values(reader.settings).find(
      ({ env, aliases = [] }) => env === name || aliases.includes(name),
    )!
    const values = isSecret(setting) ? [...ALONE, ...LOCATED] : LOCATED
    for (const [index, value] of values.entries()) {
      const file = join(folder, `${name}-${index}`)
      writeFileSync(file, value)
      const { [setting.env]: _, ...rest } = GOOD
      for (const env of [
        { ...rest, [name]: value },
        { ...rest, [`${name}_FILE`]: file },
        { ...rest, WEIR_PROFILE: 'dev', [name]: value },
        // The secret in the place of its file; a folder; a secret far too long.
        ...(isSecret(setting) ? [{ ...rest, [`${name}_FILE`]: value.replaceAll('\0', '') }] : []),
        { ...rest, [`${name}_FILE`]: folder },
        { ...rest, [name]: value + 'x'.repeat(100_000) },
        // Refused for something else.
        { ...rest, [name]: value, LOG_LEVEL: 'loud', TOPIC_PARTITIONS: '0' },
      ]) {
        expect(said(reader, env), `${name}=${value}`).not.toContain(CANARY)
      }
    }
  })

  it('shows which secrets are set and which are unset', () => {
    const secrets = Object.entries(reader.settings).filter(([, one]) => isSecret(one))
    const shown = describeSettings(
      reader.settings,
      Object.fromEntries(secrets.map(([name]) => [name, undefined])),
    )
    for (const [name] of secrets) expect([name, shown[name]]).toEqual([name, 'unset'])
    for (const empty of ['', []]) {
      const none = describeSettings(
        reader.settings,
        Object.fromEntries(secrets.map(([name]) => [name, empty])),
      )
      for (const [name] of secrets) expect([name, none[name]]).toEqual([name, 'unset'])
    }
    for (const given of [CANARY, [CANARY]]) {
      const all = describeSettings(
        reader.settings,
        Object.fromEntries(secrets.map(([name]) => [name, given])),
      )
      for (const [name] of secrets) expect([name, all[name]]).toEqual([name, 'set'])
    }
  })
})

it('a setting whose name promises a secret is one', () => {
  const named = READERS.flatMap(({ settings }) => Object.values(settings)).filter(({ env }) =>
    /(SECRET|PASSWORD|TOKEN|KEY)S?$/.test(env),
  )
  expect(named.length).toBeGreaterThan(10)
  expect(named.filter((one) => !isSecret(one)).map(({ env }) => env)).toEqual([])
})
