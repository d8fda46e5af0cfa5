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
  help: 'Signing secrets, separated by commas. In a file, one secret per line, which may contain commas. During a rotation, give the old and the new secret.',
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
    help: 'Tokens. Requests must carry one of them, as `?code=` or in the header `X-Functions-Key`, in addition to the signature.',
  },
  cognigyCidrs: {
    env: 'SOURCE_COGNIGY_CIDRS',
    schema: setting.list([]),
    help: 'Addresses or CIDR ranges that Cognigy calls from. The source is off if there are none.',
  },
  cognigyToken: {
    env: 'SOURCE_COGNIGY_TOKEN',
    schema: setting.optionalSecret(),
    help: 'Bearer token that Cognigy must send in addition.',
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
    help: 'Separate port of /livez, /readyz and /metrics. If it is not set or equals INGRESS_PORT, INGRESS_PORT serves them too, to anyone who can send webhooks.',
  },
  workers: {
    env: 'INGRESS_WORKERS',
    schema: setting.integer(1, 1, 64),
    help: 'Number of processes that share the port, at best one per core. Limits of bytes and connections are divided among them. Rate limits apply to each process.',
  },
  sourcesFile: {
    env: 'SOURCES_FILE',
    schema: setting.optionalText(),
    help: 'YAML file that defines sources, see docs/sources. The four built-in sources need no file and remain beside those of the file.',
  },
  trustedProxies: {
    env: 'INGRESS_TRUSTED_PROXIES',
    schema: setting.proxies(),
    help: 'Addresses or CIDR ranges of proxies whose X-Forwarded-For and client certificate headers are trusted.',
  },
  keepAliveSecs: {
    env: 'INGRESS_KEEP_ALIVE_SECS',
    schema: setting.integer(75, 1, 3_600),
    help: 'How long an idle connection stays open, even if it has not carried a request yet. Choose a longer time than the idle timeout of the load balancer, so that it never sends a request to a closed connection.',
  },
  trailingSlash: {
    env: 'INGRESS_TRAILING_SLASH',
    schema: setting.flag(false),
    help: 'true: a path with one more slash at its end is the same path. false: it is unknown.',
  },
  bodyBytesMax: {
    env: 'INGRESS_BODY_BYTES_MAX',
    schema: setting.integer(262_144, 1_024, 900_000),
    help: 'The largest body. Larger ones get 413.',
  },
  requestBudgetMs: {
    env: 'INGRESS_REQUEST_BUDGET_MS',
    schema: setting.integer(8_000, 500, 60_000),
    help: 'A request gets 503 if the brokers do not acknowledge it within this time.',
  },
  queueBytesMax: {
    env: 'INGRESS_QUEUE_BYTES_MAX',
    schema: setting.integer(67_108_864, 1_048_576, 4_294_967_296),
    help: 'Limit of the bytes that wait for the brokers. Beyond it, requests get 503 at once.',
  },
  arrivingBytesMax: {
    env: 'INGRESS_ARRIVING_BYTES_MAX',
    schema: setting.integer(67_108_864, 1_048_576, 4_294_967_296),
    help: 'Limit of the bytes of incomplete bodies, plus 8 KiB for each of them. Beyond it, requests get 503 at once. One half is divided equally among the sources, and all sources share the other half.',
  },
  ratePerSec: {
    env: 'INGRESS_RATE_PER_SEC',
    schema: setting.integer(10_000, 0, 1_000_000),
    help: 'Sustained requests per second of each source. Requests beyond it get 429. 0: no limit. The default is less than half of the throughput of a worker on two cores, so that one source leaves room for others.',
  },
  rateBurst: {
    env: 'INGRESS_RATE_BURST',
    schema: setting.integer(0, 0, 1_000_000),
    help: 'Requests of a source that may arrive at once. 0: twice INGRESS_RATE_PER_SEC.',
  },
  lingerMs: {
    env: 'INGRESS_LINGER_MS',
    schema: setting.integer(3, 0, 1_000),
    help: 'How long a produce request waits for more webhooks.',
  },
  connectionsMax: {
    env: 'INGRESS_CONNECTIONS_MAX',
    schema: setting.integer(10_000, 1, 1_000_000),
    help: 'Limit of open connections of one process. One address can hold at most half of them. A trusted proxy can hold all.',
  },
  drainMs: {
    env: 'INGRESS_DRAIN_MS',
    schema: setting.integer(5_000, 0, 10_000),
    help: 'How long /readyz responds with 503 before connections are closed. 0 with WEIR_PROFILE=dev.',
  },
  bodyHashKey: {
    env: 'BODY_HASH_KEY',
    schema: setting.secret(''),
    help: 'Key of the hash that distinguishes a repeat from a conflict: 32 random bytes as text. Never change it while events are in the dedup window.',
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
    problems.push('BODY_HASH_KEY is not set. Give 32 random bytes as text.')
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
