import { isEverywhere, parseCidr, splitCredentials } from '@weir/contracts'
import { databaseAccess, isLoopback } from './connection-url.ts'
import { guessable } from './guessable.ts'
import { kindOf, setting, type Setting, type Settings } from './setting.ts'

interface Risk {
  /** What is refused, for the documentation. */
  readonly refused: string
  readonly danger: string
  readonly fix: string
}

/** Configurations that do not start outside the dev profile, by the setting that allows them. */
export const RISKS = {
  ALLOW_PLAIN_SASL: {
    refused: '`KAFKA_SASL_MECHANISM=plain` without `KAFKA_SSL`',
    danger: 'anyone on the network path can read the password',
    fix: 'set KAFKA_SSL=true, or KAFKA_SASL_MECHANISM=scram-sha-512',
  },
  ALLOW_WEAK_CREDENTIALS: {
    refused:
      'A secret, token or password, also in a URL, that is short (fewer than 16 characters; 8 if another system gives it out), repetitive, or a well-known default',
    danger: 'it can be guessed',
    fix: 'use 32 random bytes as text',
  },
  ALLOW_PLAINTEXT_DATABASE: {
    refused: '`DATABASE_URL` to another machine without TLS, or with TLS that checks no certificate',
    danger: 'anyone on the network path can read and change events, and read the password',
    fix: 'add ?sslmode=verify-full to it, and &sslrootcert=<file> for a certificate authority of your own',
  },
  ALLOW_PLAINTEXT_HTTP: {
    refused:
      'Credentials over `http://` to another machine: registry, InfluxDB, Datadog, replay; any `http://` for OAuth and for keys of JWTs',
    danger: 'anyone on the network path can read or replace what is sent',
    fix: 'use https://',
  },
  ALLOW_ANY_PROXY: {
    refused: '`INGRESS_TRUSTED_PROXIES` or `CONSOLE_TRUSTED_PROXIES` with half of all addresses or more',
    danger: 'anyone can forge the address and the client certificate of a request',
    fix: 'give only the addresses of your proxies',
  },
  ALLOW_ANY_ADDRESS: {
    refused: 'A source whose address ranges have half of all addresses or more, without another proof',
    danger: 'anyone can send events in its name',
    fix: 'give the addresses that the provider calls from, or a token, a secret or a client certificate as well',
  },
} as const satisfies Record<string, Risk>

export type RiskName = keyof typeof RISKS
export type AllowedRisks = Readonly<Record<RiskName, boolean>>

/** One place where a risk is taken. */
export interface RiskFinding {
  readonly risk: RiskName
  /** The setting and its value, never a secret. */
  readonly what: string
}

/** A setting of the same name allows each risk. */
export const RISK_SETTINGS = Object.fromEntries(
  Object.entries(RISKS).map(([env, { danger }]) => [
    env,
    {
      env,
      schema: setting.flag(false),
      help: `true: accept that ${danger}; each start logs it. See docs/operations/security.md.`,
    },
  ]),
) as unknown as Readonly<Record<RiskName, Setting<boolean>>>

interface Rule {
  readonly risk: RiskName
  /** Finds the settings at fault and describes them. */
  readonly find: (of: Given) => readonly string[]
}

interface GivenSetting extends Setting {
  readonly value: unknown
}

interface Given {
  readonly all: readonly GivenSetting[]
  readonly valueOf: (env: string) => unknown
}

const publicPart = (url: string): string => {
  const { protocol, host } = new URL(url)
  return `${protocol}//${host}`
}

const isSet = (value: unknown): boolean =>
  value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0)

const textsOf = (value: unknown): readonly string[] =>
  (Array.isArray(value) ? value : [value]).filter(
    (one): one is string => typeof one === 'string' && one !== '',
  )

/** `name/role@expiry:token`, the form of entries in token settings. */
const NAMED = /^[\w.-]{1,64}(?:\/[\w-]{1,32})?(?:@[\dTZ:-]{10,20})?:/

/** Why an entry of a setting of secrets can be guessed. */
const guessableEntry = (entry: string, chosenBy: 'us' | 'them', user?: string): string | undefined =>
  guessable(entry, chosenBy, user) ??
  (NAMED.test(entry) ? guessable(entry.replace(NAMED, ''), chosenBy, entry.split(/[:/@]/, 1)[0]) : undefined)

/** User and password of a URL. */
const loginOf = (url: string): { readonly user: string; readonly password: string } =>
  url.startsWith('postgres') ? databaseAccess(url) : splitCredentials(url)

const weakSecrets = ({ all, valueOf }: Given): readonly string[] =>
  all.flatMap(({ env, schema, value }) => {
    const kind = kindOf(schema)
    if (kind?.is === 'http-url' || kind?.is === 'postgres-url') {
      if (typeof value !== 'string') return []
      const { user, password } = loginOf(value)
      const why = password === '' ? undefined : guessable(password, 'them', user)
      return why === undefined ? [] : [`the password in ${env} ${why}`]
    }
    if (kind?.is !== 'secret' || kind.chosenBy === 'judged') return []
    const { chosenBy } = kind
    const user = valueOf(env.replace(/PASSWORD$/, 'USERNAME'))
    const login = typeof user === 'string' && env.endsWith('PASSWORD') ? user : undefined
    const whys = textsOf(value).flatMap((entry) => guessableEntry(entry, chosenBy, login) ?? [])
    return [...new Set(whys)].map((why) => `a secret in ${env} ${why}`)
  })

const credentialsOverHttp = ({ all, valueOf }: Given): readonly string[] =>
  all.flatMap(({ env, schema, value, carries = [] }) => {
    if (kindOf(schema)?.is !== 'http-url' || typeof value !== 'string') return []
    const { protocol, hostname, username, password, search } = new URL(value)
    const carried = [
      ...(username !== '' || password !== '' || search !== '' ? ['its own credentials'] : []),
      ...carries.filter((secret) => isSet(valueOf(secret))),
    ]
    return protocol === 'http:' && !isLoopback(hostname) && carried.length > 0
      ? [`${env} is ${publicPart(value)} and requests to it carry ${carried.join(' and ')}`]
      : []
  })

const plaintextDatabase = ({ all }: Given): readonly string[] =>
  all.flatMap(({ env, schema, value }) => {
    if (kindOf(schema)?.is !== 'postgres-url' || typeof value !== 'string') return []
    const { host, tls } = databaseAccess(value)
    if (isLoopback(host) || tls === 'checked') return []
    return [`${env} names ${host} ${tls === 'none' ? 'without TLS' : 'with TLS that checks no certificate'}`]
  })

/** Risks that the settings alone show. Ingress adds those of its sources file. */
const RULES: readonly Rule[] = [
  {
    risk: 'ALLOW_PLAIN_SASL',
    find: ({ valueOf }) =>
      valueOf('KAFKA_SASL_MECHANISM') === 'plain' &&
      valueOf('KAFKA_SSL') === false &&
      isSet(valueOf('KAFKA_SASL_USERNAME'))
        ? ['KAFKA_SASL_MECHANISM is plain and KAFKA_SSL is false']
        : [],
  },
  { risk: 'ALLOW_WEAK_CREDENTIALS', find: weakSecrets },
  { risk: 'ALLOW_PLAINTEXT_DATABASE', find: plaintextDatabase },
  { risk: 'ALLOW_PLAINTEXT_HTTP', find: credentialsOverHttp },
  {
    risk: 'ALLOW_ANY_PROXY',
    find: ({ all }) =>
      all.flatMap(({ env, schema, value }) =>
        kindOf(schema)?.is === 'proxies' && isEverywhere(textsOf(value).map(parseCidr))
          ? [`${env} is ${textsOf(value).join(',')}`]
          : [],
      ),
  },
]

const findingsOf = (
  settings: Settings,
  config: Readonly<Record<string, unknown>>,
): readonly RiskFinding[] => {
  const all = Object.entries(settings).map(([name, one]) => ({ ...one, value: config[name] }))
  const valueOf = (env: string): unknown => all.find((one) => one.env === env)?.value
  // Settings without a profile belong to a trial or to no service.
  const profile = valueOf('WEIR_PROFILE')
  if (profile === undefined || profile === 'dev') return []
  return RULES.flatMap(({ risk, find }) => find({ all, valueOf }).map((what) => ({ risk, what })))
}

const describe = ({ risk, what }: RiskFinding): string => `${what}: ${RISKS[risk].danger}. ${fixOf(risk)}`

const fixOf = (risk: RiskName): string => {
  const { fix } = RISKS[risk]
  return `${fix[0]!.toUpperCase()}${fix.slice(1)}`
}

/** Refused risks, as messages. */
export const refusedRisks = (
  findings: readonly RiskFinding[],
  allowed: Partial<AllowedRisks>,
): readonly string[] =>
  findings
    .filter(({ risk }) => allowed[risk] !== true)
    .map((finding) => `${describe(finding)}, or take the risk with ${finding.risk}=true.`)

/** Allowed risks, for the log. */
export const takenRisks = (
  findings: readonly RiskFinding[],
  allowed: Partial<AllowedRisks>,
): readonly string[] =>
  findings
    .filter(({ risk }) => allowed[risk] === true)
    .map((finding) => `${finding.risk}=true takes a risk: ${describe(finding)}.`)

export const riskProblems = (
  settings: Settings,
  config: Readonly<Record<string, unknown>>,
): readonly string[] => refusedRisks(findingsOf(settings, config), config)

/** Risks that this configuration takes, one line each. */
export const risksOf = (settings: Settings, config: object): readonly string[] =>
  takenRisks(findingsOf(settings, config as Readonly<Record<string, unknown>>), config)
