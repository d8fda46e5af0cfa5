import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { service as webConsole } from '@weir/console'
import { service as dedup } from '@weir/dedup'
import { service as ingress } from '@weir/ingress'
import { service as metricExport } from '@weir/metric-export'
import { service as normalizer } from '@weir/normalizer'
import { service as persistence } from '@weir/persistence'
import { service as replay } from '@weir/replay'
import { RISKS, risksOf, type Environment, type RiskName, type Settings } from '@weir/runtime'
import { afterAll, describe, expect, it } from 'vitest'
import { ALL_SERVICES } from './all-services.ts'
import { loadRegistryConfig, loadReplayClientConfig } from './config.ts'
import { loadRegistrationConfig } from './sources/registration/config.ts'

interface Reader {
  readonly name: string
  readonly settings: Settings
  readonly loadConfig: (env: Environment) => object
}
const of = (name: string, loadConfig: (env: Environment) => object): Reader => ({
  name,
  loadConfig,
  settings: {},
})
const SERVICES: readonly Reader[] = ALL_SERVICES.filter(({ name }) => name !== 'simulator')
const register = of('weir sources register', loadRegistrationConfig)

const SECRET = 'cW0d8pZ2-7hVq4sLr9Yt1Nx5Kb3Mf6Gj'
const OTHER = 'Yt1Nx5Kb3Mf6GjcW0d8pZ2-7hVq4sLr9'
/** With these everything starts in production. */
const GOOD: Environment = {
  KAFKA_BROKERS: 'broker:9093',
  SCHEMA_REGISTRY_URL: 'http://registry:8081',
  DATABASE_URL: `postgres://weir:${SECRET}@database/weir?sslmode=verify-full`,
  INFLUX_URL: 'https://influx.example',
  INFLUX_TOKEN: SECRET,
  DATADOG_API_KEY: SECRET,
  BODY_HASH_KEY: SECRET,
  DLQ_KEYS: `a:${'0123456789abcdef'.repeat(4)}`,
  REPLAY_TOKENS: `ann:${SECRET}`,
  REPLAY_TOKEN: SECRET,
  CONSOLE_TOKENS: SECRET,
  SOURCE_CXONE_SECRETS: SECRET,
  INGRESS_TRUSTED_PROXIES: '10.0.0.0/8',
  CONSOLE_TRUSTED_PROXIES: '10.0.0.0/8',
  CXONE_CLIENT_ID: 'id',
  CXONE_CLIENT_SECRET: SECRET,
  CXONE_WEBHOOK_URL: 'https://weir.example/webhooks/cxone',
}

const folder = mkdtempSync(join(tmpdir(), 'weir-production-'))
afterAll(() => rmSync(folder, { recursive: true }))
const sourcesFile = (yaml: string): string => {
  const file = join(folder, `${Buffer.from(yaml).toString('base64url').slice(-40)}.yaml`)
  writeFileSync(file, `version: 1\nsources:\n${yaml}`)
  return file
}

const SASL = { KAFKA_SASL_USERNAME: 'weir', KAFKA_SASL_PASSWORD: OTHER }
const COGNIGY = { SOURCE_COGNIGY_CIDRS: '0.0.0.0/0' }
const database = (rest: string): Environment => ({ DATABASE_URL: `postgres://weir:${SECRET}@${rest}` })

const REFUSED: readonly (readonly [RiskName, Reader, Environment, RegExp])[] = [
  [
    'ALLOW_PLAIN_SASL',
    dedup,
    { ...SASL, KAFKA_SASL_MECHANISM: 'plain' },
    /KAFKA_SASL_MECHANISM is plain and KAFKA_SSL is false/,
  ],
  [
    'ALLOW_WEAK_CREDENTIALS',
    persistence,
    { DATABASE_URL: 'postgres://weir:weir@127.0.0.1/weir' },
    /password in DATABASE_URL is a well-known default/,
  ],
  [
    'ALLOW_WEAK_CREDENTIALS',
    webConsole,
    { DATABASE_URL: 'postgres://127.0.0.1/weir?user=a&password=Postgres1' },
    /password in DATABASE_URL/,
  ],
  [
    'ALLOW_WEAK_CREDENTIALS',
    persistence,
    { DATABASE_URL: 'postgres://reporting:reporting@127.0.0.1/weir' },
    /password in DATABASE_URL/,
  ],
  [
    'ALLOW_WEAK_CREDENTIALS',
    normalizer,
    { SCHEMA_REGISTRY_URL: 'https://admin:changeme@registry' },
    /password in SCHEMA_REGISTRY_URL/,
  ],
  [
    'ALLOW_WEAK_CREDENTIALS',
    dedup,
    { ...SASL, KAFKA_SASL_PASSWORD: 'kafka' },
    /KAFKA_SASL_PASSWORD is a well-known/,
  ],
  [
    'ALLOW_WEAK_CREDENTIALS',
    dedup,
    { KAFKA_SASL_USERNAME: 'a-service-user', KAFKA_SASL_PASSWORD: 'a-service-user' },
    /KAFKA_SASL_PASSWORD is a well-known/,
  ],
  ['ALLOW_WEAK_CREDENTIALS', dedup, { DLQ_KEYS: `a:${'0'.repeat(64)}` }, /DLQ_KEYS repeats/],
  ['ALLOW_WEAK_CREDENTIALS', ingress, { BODY_HASH_KEY: 'short' }, /BODY_HASH_KEY has fewer than 16/],
  ['ALLOW_WEAK_CREDENTIALS', replay, { BODY_HASH_KEY: 'k'.repeat(40) }, /BODY_HASH_KEY repeats/],
  [
    'ALLOW_WEAK_CREDENTIALS',
    webConsole,
    { CONSOLE_TOKENS: `${SECRET},short` },
    /CONSOLE_TOKENS has fewer than 16/,
  ],
  [
    'ALLOW_WEAK_CREDENTIALS',
    webConsole,
    { CONSOLE_READ_TOKENS: 'change-me-change-me' },
    /CONSOLE_READ_TOKENS is a well-known/,
  ],
  ['ALLOW_WEAK_CREDENTIALS', replay, { REPLAY_TOKENS: `ann:${'x'.repeat(32)}` }, /REPLAY_TOKENS repeats/],
  ['ALLOW_WEAK_CREDENTIALS', metricExport, { INFLUX_TOKEN: 'weir:weir' }, /INFLUX_TOKEN/],
  [
    'ALLOW_WEAK_CREDENTIALS',
    ingress,
    { SOURCE_CXONE_SECRETS: 'short' },
    /SOURCE_CXONE_SECRETS: a secret has fewer than 16/,
  ],
  [
    'ALLOW_WEAK_CREDENTIALS',
    ingress,
    { SOURCE_CXONE_QUERY_TOKEN: 'short' },
    /SOURCE_CXONE_QUERY_TOKEN: a secret has/,
  ],
  [
    'ALLOW_WEAK_CREDENTIALS',
    ingress,
    { SOURCE_COGNIGY_CIDRS: '10.0.0.1', SOURCE_COGNIGY_TOKEN: 'token' },
    /SOURCE_COGNIGY_TOKEN: a secret is/,
  ],
  [
    'ALLOW_PLAINTEXT_DATABASE',
    persistence,
    database('database/weir'),
    /DATABASE_URL names database without TLS/,
  ],
  [
    'ALLOW_PLAINTEXT_DATABASE',
    webConsole,
    database('10.0.0.1/weir?sslmode=disable'),
    /DATABASE_URL names 10.0.0.1 without TLS/,
  ],
  [
    'ALLOW_PLAINTEXT_DATABASE',
    persistence,
    database('localhost/weir?host=db.example'),
    /DATABASE_URL names db.example without TLS/,
  ],
  [
    'ALLOW_PLAINTEXT_DATABASE',
    persistence,
    database('db.example/weir?sslmode=no-verify'),
    /checks no certificate/,
  ],
  [
    'ALLOW_PLAINTEXT_HTTP',
    metricExport,
    { INFLUX_URL: 'http://influx.example' },
    /INFLUX_URL is http:\/\/influx.example .*INFLUX_TOKEN/,
  ],
  [
    'ALLOW_PLAINTEXT_HTTP',
    metricExport,
    { INFLUX_URL: `http://a:${OTHER}@influx.example`, INFLUX_TOKEN: '' },
    /INFLUX_URL/,
  ],
  ['ALLOW_PLAINTEXT_HTTP', normalizer, { DATADOG_URL: 'http://datadog.example' }, /DATADOG_URL/],
  [
    'ALLOW_PLAINTEXT_HTTP',
    persistence,
    { SCHEMA_REGISTRY_URL: `http://a:${OTHER}@registry` },
    /SCHEMA_REGISTRY_URL/,
  ],
  [
    'ALLOW_PLAINTEXT_HTTP',
    of('weir schema register', loadRegistryConfig),
    { SCHEMA_REGISTRY_URL: `http://a:${OTHER}@registry` },
    /SCHEMA_REGISTRY_URL/,
  ],
  [
    'ALLOW_PLAINTEXT_HTTP',
    of('weir dlq', loadReplayClientConfig),
    { REPLAY_URL: 'http://replay.example' },
    /REPLAY_URL/,
  ],
  [
    'ALLOW_PLAINTEXT_HTTP',
    register,
    { CXONE_INSTANCE: 'http://api.example' },
    /CXONE_INSTANCE is http:\/\/api.example/,
  ],
  ['ALLOW_PLAINTEXT_HTTP', register, { CXONE_REGION: 'http://127.0.0.1:8080' }, /CXONE_REGION/],
  [
    'ALLOW_ANY_PROXY',
    ingress,
    { INGRESS_TRUSTED_PROXIES: '0.0.0.0/0' },
    /INGRESS_TRUSTED_PROXIES is 0.0.0.0\/0/,
  ],
  ['ALLOW_ANY_PROXY', webConsole, { CONSOLE_TRUSTED_PROXIES: '10.0.0.1,::/0' }, /CONSOLE_TRUSTED_PROXIES/],
  [
    'ALLOW_ANY_PROXY',
    ingress,
    { INGRESS_TRUSTED_PROXIES: '0.0.0.0/1, 128.0.0.0/1' },
    /INGRESS_TRUSTED_PROXIES/,
  ],
  ['ALLOW_ANY_ADDRESS', ingress, COGNIGY, /SOURCE_COGNIGY_CIDRS lets in/],
  ['ALLOW_ANY_ADDRESS', ingress, { SOURCE_COGNIGY_CIDRS: '::/0' }, /SOURCE_COGNIGY_CIDRS/],
  [
    'ALLOW_ANY_ADDRESS',
    ingress,
    { SOURCE_COGNIGY_CIDRS: '128.0.0.0/1,0.0.0.0/2,64.0.0.0/2' },
    /SOURCE_COGNIGY_CIDRS/,
  ],
  [
    'ALLOW_ANY_ADDRESS',
    ingress,
    { SOURCES_FILE: sourcesFile('  bot: { preset: cognigy, cidrs: [0.0.0.0/0] }') },
    /SOURCE_BOT_CIDRS/,
  ],
]

const load = ({ loadConfig }: Reader, env: Environment) => loadConfig({ ...GOOD, ...env })
const isPresent = (value: unknown): value is string => typeof value === 'string' && value.length > 7

describe('outside the dev profile', () => {
  it.each(REFUSED)('%s: %o does not start with %o', (risk, reader, env, message) => {
    for (const profile of [{}, { WEIR_PROFILE: 'production' }]) {
      let said = ''
      try {
        load(reader, { ...env, ...profile })
      } catch (error) {
        said = (error as Error).message
      }
      const line = said.split('\n').find((one) => message.test(one))
      expect(line, said).toContain(`or take the risk with ${risk}=true`)
      expect(line!.toLowerCase()).toContain(RISKS[risk].fix.toLowerCase())
      for (const secret of [SECRET, OTHER].filter(isPresent)) expect(said).not.toContain(secret)
    }
  })

  it.each(REFUSED)('%s: %o takes it when that is set, and not when another is: %o', (risk, reader, env) => {
    expect(() => load(reader, { ...env, [risk]: 'true' })).not.toThrow()
    const others = Object.keys(RISKS).filter((one) => one !== risk)
    const allOthers = Object.fromEntries(others.map((one) => [one, 'true']))
    expect(() => load(reader, { ...env, ...allOthers })).toThrow(risk)
    expect(() => load(reader, { ...env, [risk]: 'yes' })).toThrow(`${risk} is "yes": must be true or false`)
  })

  it.each(REFUSED)('%s: %o starts so in the dev profile: %o', (_risk, reader, env) => {
    expect(() => load(reader, { ...env, WEIR_PROFILE: 'dev' })).not.toThrow()
  })

  it.each([...SERVICES, register])('$name starts with good settings, and names no risk', (reader) => {
    const config = load(reader, {})
    expect(risksOf(reader.settings, config)).toEqual([])
  })

  it.each([
    [persistence, database('localhost/weir')],
    [persistence, database('[::1]:5432/weir')],
    [persistence, { DATABASE_URL: 'postgres:///weir?host=/var/run/postgresql' }],
    [normalizer, { SCHEMA_REGISTRY_URL: `http://a:${OTHER}@localhost:8081` }],
    // A percent sign that encodes nothing stands for itself.
    [normalizer, { SCHEMA_REGISTRY_URL: `https://a:100%-${OTHER}@registry.example` }],
    [metricExport, { INFLUX_URL: 'http://127.0.0.1:8086' }],
    [metricExport, { INFLUX_URL: 'http://influx.example', INFLUX_TOKEN: '' }],
    [dedup, { ...SASL, KAFKA_SASL_MECHANISM: 'plain', KAFKA_SSL: 'true' }],
    [dedup, SASL],
    [ingress, { ...COGNIGY, SOURCE_COGNIGY_TOKEN: SECRET }],
    [ingress, { SOURCE_COGNIGY_CIDRS: '10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7' }],
  ] as const)('%o starts with %o', (reader, env) => {
    expect(() => load(reader, env)).not.toThrow()
  })

  it('names each risk that is taken, at every start', () => {
    const env = { INGRESS_TRUSTED_PROXIES: '::/0', ALLOW_ANY_PROXY: 'true', ALLOW_PLAIN_SASL: 'true' }
    expect(risksOf(ingress.settings, load(ingress, env))).toEqual([
      'ALLOW_ANY_PROXY=true takes a risk: INGRESS_TRUSTED_PROXIES is ::/0: anyone can forge the address and the ' +
        'client certificate of a request. Give only the addresses of your proxies.',
    ])
  })
})

it.each([
  [ingress, 'INGRESS_TRUSTED_PROXIES'],
  [webConsole, 'CONSOLE_TRUSTED_PROXIES'],
] as const)('a proxy that is no address is refused by its setting: %o %s', (reader, name) => {
  for (const value of ['nonsense', '10.0.0.0/33', '10.0.0.1,1.2.3', 'uniquelocal'])
    expect(() => load(reader, { [name]: value, WEIR_PROFILE: 'dev' })).toThrow(
      `${name} is "${value}": must be addresses or CIDR ranges, separated by commas`,
    )
})
