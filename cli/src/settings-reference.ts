import { portVariable, SERVICE_NAMES, settingPrefix } from '@weir/contracts'
import { isSecret, KAFKA_SETTINGS, SERVICE_SETTINGS, type Setting, type Settings } from '@weir/runtime'
import { ALL_SERVICES } from './all-services.ts'
import {
  AUDIT_SETTINGS,
  DATABASE_SETTINGS,
  REPLAY_CLIENT_SETTINGS,
  START_SETTINGS,
  TOPICS_SETTINGS,
} from './config.ts'
import { REGISTRATION_SETTINGS } from './sources/registration/config.ts'

interface Section {
  readonly title: string
  readonly intro: string
  readonly settings: readonly Setting[]
}

const SHARED: Settings = { ...SERVICE_SETTINGS, ...KAFKA_SETTINGS }

/** Settings that are not shared by all services. */
const own = (settings: Settings): readonly Setting[] =>
  Object.values(settings).filter((one) => !Object.values(SHARED).includes(one))

const sections = (): readonly Section[] => [
  {
    title: 'Shared',
    intro: 'Every service reads these (the simulator only `LOG_LEVEL`).',
    settings: Object.values(SHARED),
  },
  ...ALL_SERVICES.map(({ name, settings }) => ({
    title: name,
    intro: `Besides the shared ones, \`${name}\` reads:`,
    settings: own(settings),
  })),
  {
    title: 'weir sources register',
    intro: '`weir sources register` reads:',
    settings: Object.values(REGISTRATION_SETTINGS),
  },
  {
    title: 'weir dlq',
    intro: '`weir dlq` and `weir schema` talk to the replay service. Besides the shared ones they read:',
    settings: own(REPLAY_CLIENT_SETTINGS),
  },
  {
    title: 'weir topics',
    intro: '`weir topics` creates and checks the topics. Besides the shared ones it reads:',
    settings: own(TOPICS_SETTINGS),
  },
  {
    title: 'weir db',
    intro: '`weir db migrate` makes the roles and the tables of the database. It reads:',
    settings: Object.values(DATABASE_SETTINGS),
  },
  {
    title: 'weir audit',
    intro:
      '`weir audit` checks a deployment against what its simulator has sent. Besides the shared ones it reads:',
    settings: own(AUDIT_SETTINGS),
  },
  {
    title: 'npm start',
    intro:
      '`npm start` hands every setting above to the services that it runs. It sets what a local run needs, ' +
      'and whatever the environment gives wins. For itself it reads:',
    settings: own(START_SETTINGS),
  },
]

/** Every variable that any part of Weir reads. */
export const settingNames = (): ReadonlySet<string> =>
  new Set(
    sections()
      .flatMap(({ settings }) => settings)
      .flatMap(({ env, aliases = [] }) => [env, ...aliases])
      .flatMap((name) => [name, `${name}_FILE`]),
  )

const complaint = ({ schema }: Setting, text: string | undefined): string | undefined =>
  schema.safeParse(text).error?.issues[0]?.message

/** What the schema accepts, in its own words: it is tested with a text that only free text can be. */
const valuesOf = (one: Setting): string => {
  const message = complaint(one, '?')
  if (message !== undefined) return message.replace(/^must be (a )?/, '')
  return Array.isArray(one.schema.safeParse('?').data) ? 'list, separated by commas' : 'text'
}

/** The default as an operator would write it; undefined: the setting is required. Empty: none. */
const defaultOf = ({ schema }: Setting): string | undefined => {
  const { success, data } = schema.safeParse(undefined)
  if (!success) return undefined
  if (data === undefined) return ''
  const scalar = data as string | number | boolean
  return Array.isArray(data) ? data.join(',') : scalar.toString()
}

const code = (text: string): string => `\`${text}\``

const rowOf = (one: Setting): readonly string[] => {
  const value = defaultOf(one)
  const shown = value === '' ? '' : value === undefined ? '**must be set**' : code(value)
  const notes = [
    ...(one.aliases?.length ? [`Also as ${one.aliases.map(code).join(', ')}.`] : []),
    ...(isSecret(one) ? ['Secret.'] : []),
  ]
  return [code(one.env), shown, valuesOf(one), [one.help, ...notes].join(' ')]
}

const HEAD = ['Variable', 'Default', 'Values', 'Meaning'] as const

/** Pads cells as Prettier does, so that formatting leaves the file unchanged. */
const table = (rows: readonly (readonly string[])[]): string => {
  const widths = HEAD.map((title, column) => Math.max(...[HEAD, ...rows].map((row) => row[column]!.length)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`
  return [line(HEAD), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

const INTRO = `# Configuration

Services read the environment and nothing else. A value that cannot be used stops the start with exit code 2 and one message that names every such setting, its value (never a secret's) and the fix.

For each variable there is \`<NAME>_FILE\`: a file that holds the value, for secrets that are mounted. The variable wins over the file. Empty means unset.

\`npm run weir -- settings\` prints this page.
`

/** `docs/operations/configuration.md`, generated from the settings that the services read. */
export const settingsReference = (): string =>
  [
    INTRO,
    ...sections().map(({ title, intro, settings }) =>
      [`## ${title}`, intro, table(settings.map(rowOf))].map((part) => `${part}\n`).join('\n'),
    ),
  ].join('\n')

const ENV_INTRO = `# Settings of docker-compose.yml: copy this file to .env and uncomment what you change.
# For a trial you need not set anything: the first start generates the secrets and keeps them in volumes.
# The value after each = sign is the default.

# ---- Compose ----
# Where ingress listens on this machine. Put a proxy that terminates TLS in front.
# INGRESS_ADDRESS=127.0.0.1
# INGRESS_PORT=3000
# Where the console listens on this machine. Put a proxy that terminates TLS in front.
# CONSOLE_ADDRESS=127.0.0.1
# CONSOLE_PORT=3001
# Where replay listens on 127.0.0.1.
# REPLAY_PORT=3015
# Ports of the servers on 127.0.0.1, for your tools.
# KAFKA_PORT=19092
# REGISTRY_PORT=18081
# POSTGRES_PORT=15432
# INFLUX_PORT=18086
# The proxy of the profile \`proxy\`, which terminates TLS for ingress: where it listens on this machine, the name that
# providers call, and its certificate: \`internal\` (of a local authority), an e-mail address (of Let's Encrypt), or
# files of PROXY_TLS_DIR: /etc/caddy/tls/cert.pem /etc/caddy/tls/key.pem
# PROXY_ADDRESS=127.0.0.1
# PROXY_PORT=3443
# PROXY_DOMAIN=localhost
# PROXY_TLS=internal
# PROXY_TLS_DIR=./deploy/config
# Images: the image of Weir is built, the others are pulled; docker-compose.yml has their versions and digests.
# WEIR_IMAGE=weir:local
# NODE_IMAGE=node:24.22.3-slim
# KAFKA_IMAGE=
# REGISTRY_IMAGE=
# POSTGRES_IMAGE=
# INFLUX_IMAGE=
# PROXY_IMAGE=
# The brokers: deploy/compose/scale.env sets these for three. They cannot change later.
# KAFKA_CLUSTER_ID=d2Vpci1jb21wb3NlLXYxMA
# KAFKA_CONTROLLER_QUORUM_VOTERS=1@kafka:9093
# KAFKA_REPLICATION_FACTOR=1
# KAFKA_MIN_INSYNC_REPLICAS=1
# Folder with the sources file, its sources.env and mappings: /etc/weir in ingress, dedup, normalizer and replay.
# WEIR_CONFIG_DIR=./deploy/config
# The secret of cxone and nice if neither has a separate one; it wins over their files.
# CXONE_WEBHOOK_SECRET=
# Files inside the containers from which secrets are read, each instead of its variable.
# KAFKA_SSL_CA_FILE=
# KAFKA_SSL_CERT_FILE=
# KAFKA_SSL_KEY_FILE=
# SOURCE_CXONE_SECRETS_FILE=/run/weir/sources/cxone
# SOURCE_CXONE_DATAACTION_SECRETS_FILE=/run/weir/sources/cxone-dataaction
# SOURCE_NICE_SECRETS_FILE=/run/weir/sources/nice
# SOURCE_COGNIGY_TOKEN_FILE=/run/weir/sources/cognigy-token
# BODY_HASH_KEY_FILE=/run/weir/body-hash/key
# CONSOLE_TOKENS_FILE=/run/weir/console/token
# CONSOLE_READ_TOKENS_FILE=
# REPLAY_TOKENS_FILE=/run/weir/replay/tokens
# DATABASE_URL_FILE=/run/weir/database-writer/url
# DATABASE_ADMIN_URL_FILE=/run/weir/database-owner/admin-url
# DATABASE_OWNER_URL_FILE=/run/weir/database-owner/url
# DATABASE_WRITER_URL_FILE=/run/weir/database-writer/url
# DATABASE_READER_URL_FILE=/run/weir/database-reader/url
# INFLUX_TOKEN_FILE=/run/weir/influx-token/token`

/** Sections of commands that no container runs. */
const NOT_OF_COMPOSE = ['npm start', 'weir dlq', 'weir sources register']

/** Set by the image, the same in every container. */
export const SET_BY_IMAGE: ReadonlySet<string> = new Set([
  ...SERVICE_NAMES.flatMap((name) => [portVariable(name), `${settingPrefix(name)}_HOST`]),
  'INGRESS_PROBE_PORT',
  'PROBE_HOST',
  'STATE_DIR',
  'TRUTH_DIR',
])

/** Settings whose default in Compose differs from that of the service. */
const COMPOSE_DEFAULTS: Readonly<Record<string, string>> = {
  WEIR_PROFILE: 'dev',
  KAFKA_BROKERS: 'kafka:9092',
  SCHEMA_REGISTRY_URL: 'http://registry:8080/apis/ccompat/v7',
  INFLUX_URL: 'http://influxdb:8086',
  METRIC_EXPORT_ENVIRONMENT: 'dev',
  SIMULATOR_TARGET_URL: 'http://ingress:3000',
  SOURCE_COGNIGY_CIDRS: '10.0.0.0/8,172.16.0.0/12,192.168.0.0/16',
  TOPIC_REPLICATION_FACTOR: '1',
  TOPIC_MIN_INSYNC_REPLICAS: '1',
}

const envLines = (one: Setting): string =>
  [`# ${one.help}`, `# ${one.env}=${COMPOSE_DEFAULTS[one.env] ?? defaultOf(one) ?? ''}`].join('\n')

/** `.env.example`: everything that can be set for Compose, each variable once. */
export const envExample = (): string => {
  const done = new Set<string>()
  const parts = sections()
    .filter(({ title }) => !NOT_OF_COMPOSE.includes(title))
    .flatMap(({ title, settings }) => {
      const fresh = settings.filter(({ env }) => !SET_BY_IMAGE.has(env) && !done.has(env))
      for (const { env } of fresh) done.add(env)
      return fresh.length === 0 ? [] : [`# ---- ${title} ----`, ...fresh.map(envLines)].join('\n')
    })
  return `${[ENV_INTRO, ...parts].join('\n\n')}\n`
}
