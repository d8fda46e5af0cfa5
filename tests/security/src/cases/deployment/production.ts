import type { Tier } from '../../tier.ts'
import { runWeir } from '../../run-weir.ts'
import { securityCase, type SecurityCase } from '../../security-case.ts'

const SECRET = 'cW0d8pZ2-7hVq4sLr9Yt1Nx5Kb3Mf6Gj'
/** Good in production, and no server anywhere: a process that starts does not end. */
const GOOD = {
  KAFKA_BROKERS: '127.0.0.1:1',
  SCHEMA_REGISTRY_URL: 'http://127.0.0.1:1',
  DATABASE_URL: `postgres://weir:${SECRET}@127.0.0.1:1/weir`,
  BODY_HASH_KEY: SECRET,
  CONSOLE_TOKENS: SECRET,
  REPLAY_TOKENS: `ann:${SECRET}`,
  SOURCE_CXONE_SECRETS: SECRET,
}

const SASL = { KAFKA_SASL_USERNAME: 'weir', KAFKA_SASL_PASSWORD: SECRET }

/** Exit code 2, the setting, and the variable that takes the risk. */
const row = (
  service: string,
  what: string,
  [setting, risk]: readonly [setting: string, risk: string],
  env: Readonly<Record<string, string>>,
  tier: Tier = 'full',
): SecurityCase =>
  securityCase(
    `production: ${service} with ${what}`,
    `2, ${setting}, ${risk}`,
    async () => {
      const { code, stderr } = await runWeir(`services/${service}/src/main.ts`, [], { ...GOOD, ...env })
      const line = stderr.split('\n').find((one) => one.includes(`${risk}=true`)) ?? ''
      const isLeaked = stderr.includes(SECRET) ? ', and the secret' : ''
      return `${code}, ${line.includes(setting) ? setting : 'not named'}, ${line === '' ? stderr : risk}${isLeaked}`
    },
    { tier },
  )

export const productionCases = (): readonly SecurityCase[] => [
  row(
    'dedup',
    'SASL plain without TLS',
    ['KAFKA_SASL_MECHANISM', 'ALLOW_PLAIN_SASL'],
    { ...SASL, KAFKA_SASL_MECHANISM: 'plain' },
    'short',
  ),
  row(
    'persistence',
    'weir:weir',
    ['DATABASE_URL', 'ALLOW_WEAK_CREDENTIALS'],
    { DATABASE_URL: 'postgres://weir:weir@127.0.0.1/weir' },
    'short',
  ),
  row(
    'persistence',
    'a database of another machine without TLS',
    ['DATABASE_URL', 'ALLOW_PLAINTEXT_DATABASE'],
    { DATABASE_URL: `postgres://weir:${SECRET}@192.0.2.1/weir` },
    'short',
  ),
  row(
    'metric-export',
    'a token over http',
    ['INFLUX_URL', 'ALLOW_PLAINTEXT_HTTP'],
    { INFLUX_URL: 'http://192.0.2.1', INFLUX_TOKEN: SECRET },
    'short',
  ),
  row(
    'ingress',
    '0.0.0.0/0 as its proxies',
    ['INGRESS_TRUSTED_PROXIES', 'ALLOW_ANY_PROXY'],
    { INGRESS_TRUSTED_PROXIES: '0.0.0.0/0' },
    'short',
  ),
  row(
    'ingress',
    'Cognigy from 0.0.0.0/0 without a token',
    ['SOURCE_COGNIGY_CIDRS', 'ALLOW_ANY_ADDRESS'],
    { SOURCE_COGNIGY_CIDRS: '0.0.0.0/0' },
    'short',
  ),
  row('ingress', 'Cognigy from two halves of everywhere', ['SOURCE_COGNIGY_CIDRS', 'ALLOW_ANY_ADDRESS'], {
    SOURCE_COGNIGY_CIDRS: '0.0.0.0/1,128.0.0.0/1',
  }),
  row('ingress', 'Cognigy from ::/0', ['SOURCE_COGNIGY_CIDRS', 'ALLOW_ANY_ADDRESS'], {
    SOURCE_COGNIGY_CIDRS: '::/0',
  }),
  row('console', '::/0 as its proxies', ['CONSOLE_TRUSTED_PROXIES', 'ALLOW_ANY_PROXY'], {
    CONSOLE_TRUSTED_PROXIES: '::/0',
  }),
  row('console', 'a short token', ['CONSOLE_TOKENS', 'ALLOW_WEAK_CREDENTIALS'], { CONSOLE_TOKENS: 'short' }),
  row('replay', 'a repeated token', ['REPLAY_TOKENS', 'ALLOW_WEAK_CREDENTIALS'], {
    REPLAY_TOKENS: `ann:${'x'.repeat(32)}`,
  }),
  row('normalizer', 'a registry with a password over http', ['SCHEMA_REGISTRY_URL', 'ALLOW_PLAINTEXT_HTTP'], {
    SCHEMA_REGISTRY_URL: `http://a:${SECRET}@192.0.2.1`,
  }),
]
