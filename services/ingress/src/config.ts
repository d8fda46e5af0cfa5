import {
  apiPort,
  KAFKA_SETTINGS,
  loadSettings,
  PROBE_SETTINGS,
  SERVICE_SETTINGS,
  setting,
  type ConfigOf,
  type Environment,
  type Settings,
} from '@weir/runtime'
import { settingAliases, settingName } from '@weir/sources'
import { loadSources } from './sources/load-sources.ts'

const secrets = (source: string) => ({
  env: settingName(source, 'SECRETS'),
  aliases: settingAliases(settingName(source, 'SECRETS')),
  schema: setting.secretList([]),
  help: 'Signing secrets, separated by commas; in a file one a line, commas included. Give the old and the new one while they rotate.',
})

/**
 * `loadSources` reads these, again whenever their files change. They are listed here for the settings reference. Each
 * source of a sources file adds such names.
 */
const SOURCE_SETTINGS = {
  cxoneSecrets: secrets('cxone'),
  dataActionSecrets: secrets('cxone-dataaction'),
  niceSecrets: secrets('nice'),
  cxoneQueryTokens: {
    env: 'SOURCE_CXONE_QUERY_TOKEN',
    schema: setting.secretList([]),
    help: 'Requests must have one of these tokens, as `?code=` or as `X-Functions-Key`, in addition to the signature.',
  },
  cognigyCidrs: {
    env: 'SOURCE_COGNIGY_CIDRS',
    schema: setting.list([]),
    help: 'Addresses or CIDR ranges that Cognigy calls from; without any the source is off.',
  },
  cognigyToken: {
    env: 'SOURCE_COGNIGY_TOKEN',
    schema: setting.optionalSecret(),
    help: 'Bearer token that Cognigy must send as well.',
  },
} satisfies Settings

/** Read once, at the start. */
export const OWN_SETTINGS = {
  ...SERVICE_SETTINGS,
  ...KAFKA_SETTINGS,
  ...PROBE_SETTINGS,
  host: { env: 'INGRESS_HOST', schema: setting.text('0.0.0.0'), help: 'Address to listen on.' },
  port: apiPort('ingress'),
  probePort: {
    env: 'INGRESS_PROBE_PORT',
    schema: setting.optionalInteger(0, 65_535),
    help: 'Port of /livez, /readyz and /metrics, which INGRESS_PORT then does not answer. Unset, or the same number, INGRESS_PORT answers them too, to whoever can send webhooks.',
  },
  workers: {
    env: 'INGRESS_WORKERS',
    schema: setting.integer(1, 1, 64),
    help: 'Processes that share the port, one a core. Bounds of bytes and connections are divided among them; rate limits count in each.',
  },
  sourcesFile: {
    env: 'SOURCES_FILE',
    schema: setting.optionalText(),
    help: 'YAML file that names the sources, see docs/sources; without it, and beside those that it names, there are the four that need no file.',
  },
  trustedProxies: {
    env: 'INGRESS_TRUSTED_PROXIES',
    schema: setting.proxies(),
    help: 'Addresses or CIDR ranges of proxies. Their X-Forwarded-For and their headers about client certificates are believed.',
  },
  keepAliveSecs: {
    env: 'INGRESS_KEEP_ALIVE_SECS',
    schema: setting.integer(75, 1, 3_600),
    help: 'How long an idle connection stays open, also one on which nothing has come yet. Longer than the balancer before it keeps idle ones, so that no request meets a closed one.',
  },
  trailingSlash: {
    env: 'INGRESS_TRAILING_SLASH',
    schema: setting.flag(false),
    help: 'true: a path with a slash more at its end is the same path; false: it is unknown.',
  },
  bodyBytesMax: {
    env: 'INGRESS_BODY_BYTES_MAX',
    schema: setting.integer(262_144, 1_024, 900_000),
    help: 'Largest body; larger ones get 413.',
  },
  requestBudgetMs: {
    env: 'INGRESS_REQUEST_BUDGET_MS',
    schema: setting.integer(8_000, 500, 60_000),
    help: 'Without an acknowledgement of the brokers in this time a request gets 503.',
  },
  queueBytesMax: {
    env: 'INGRESS_QUEUE_BYTES_MAX',
    schema: setting.integer(67_108_864, 1_048_576, 4_294_967_296),
    help: 'Bytes that may wait for the brokers; beyond it requests get 503 at once.',
  },
  arrivingBytesMax: {
    env: 'INGRESS_ARRIVING_BYTES_MAX',
    schema: setting.integer(67_108_864, 1_048_576, 4_294_967_296),
    help: 'Bytes of bodies that have not wholly arrived, and 8 KiB for each of them; beyond it requests get 503 at once. Half is divided equally among the sources, the other half is for whoever needs more.',
  },
  ratePerSec: {
    env: 'INGRESS_RATE_PER_SEC',
    schema: setting.integer(10_000, 0, 1_000_000),
    help: 'Requests per second and source that are taken in the long run, others get 429; 0: no limit. The default is less than half of what a worker takes on two cores, so that one source leaves room for others.',
  },
  rateBurst: {
    env: 'INGRESS_RATE_BURST',
    schema: setting.integer(0, 0, 1_000_000),
    help: 'Requests of a source that may come at once; 0: twice INGRESS_RATE_PER_SEC.',
  },
  lingerMs: {
    env: 'INGRESS_LINGER_MS',
    schema: setting.integer(3, 0, 1_000),
    help: 'How long a send waits for more webhooks.',
  },
  connectionsMax: {
    env: 'INGRESS_CONNECTIONS_MAX',
    schema: setting.integer(10_000, 1, 1_000_000),
    help: 'Open connections of one process. One address has at most half of them, a trusted proxy all.',
  },
  drainMs: {
    env: 'INGRESS_DRAIN_MS',
    schema: setting.integer(5_000, 0, 10_000),
    help: 'How long /readyz says no before connections are closed; 0 with WEIR_PROFILE=dev.',
  },
  bodyHashKey: {
    env: 'BODY_HASH_KEY',
    schema: setting.secret(''),
    help: 'Key of the hash that tells a repeat from a conflict; 32 random bytes as text. Never change it while events are in the dedup window.',
  },
} satisfies Settings

export const SETTINGS = { ...OWN_SETTINGS, ...SOURCE_SETTINGS } satisfies Settings

export type IngressConfig = ConfigOf<typeof OWN_SETTINGS> & {
  /** The environment's settings for sources, which are read again when the files that they name change. */
  readonly sourceEnv: Environment
}

const SOURCE_VARIABLE = /^(?:SOURCE_\w+|CXONE_WEBHOOK_SECRET)(?:_FILE)?$/

const check = (config: IngressConfig): readonly string[] => {
  const problems = [...loadSources(config).problems]
  if (config.profile === 'production' && config.bodyHashKey === '') {
    problems.push('BODY_HASH_KEY is not set: give 32 random bytes as text.')
  }
  if (config.queueBytesMax < 4 * config.bodyBytesMax * config.workers) {
    problems.push(
      `INGRESS_QUEUE_BYTES_MAX is ${config.queueBytesMax} and INGRESS_BODY_BYTES_MAX is ${config.bodyBytesMax}: ` +
        `the queue must hold at least four of the largest bodies${config.workers > 1 ? ' for each worker' : ''}.`,
    )
  }
  return problems
}

/** Throws a `ConfigError` that names each setting, its value and the fix. */
export const loadConfig = (env: Environment = process.env): IngressConfig => {
  const sourceEnv = Object.freeze(
    Object.fromEntries(Object.entries(env).filter(([name]) => SOURCE_VARIABLE.test(name))),
  )
  const defaults = env.WEIR_PROFILE === 'dev' ? { INGRESS_DRAIN_MS: '0' } : {}
  const config = loadSettings(OWN_SETTINGS, { ...defaults, ...env }, (settings) =>
    check({ ...settings, sourceEnv }),
  )
  return Object.freeze({ ...config, sourceEnv })
}
