import {
  KAFKA_SETTINGS,
  loadSettings,
  SERVICE_SETTINGS,
  setting,
  type ConfigOf,
  type Environment,
  type Settings,
} from '@weir/service-kit'
import { parseCidr, type SourceName } from '@weir/sources'

const secrets = (source: string, aliases: readonly string[] = []) => ({
  env: `SOURCE_${source}_SECRETS`,
  aliases,
  schema: setting.list([]),
  secret: true,
  help: 'Signing secrets, separated by commas: give the old and the new one while they rotate.',
})

export const SETTINGS = {
  ...SERVICE_SETTINGS,
  ...KAFKA_SETTINGS,
  host: { env: 'INGRESS_HOST', schema: setting.text('0.0.0.0'), help: 'Address to listen on.' },
  port: { env: 'INGRESS_PORT', schema: setting.integer(3000, 0, 65_535), help: 'Port to listen on.' },
  trustedProxies: {
    env: 'INGRESS_TRUSTED_PROXIES',
    schema: setting.list([]),
    help: 'Addresses or CIDR ranges whose X-Forwarded-For is believed.',
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
  lingerMs: {
    env: 'INGRESS_LINGER_MS',
    schema: setting.integer(3, 0, 1_000),
    help: 'How long a send waits for more webhooks.',
  },
  connectionsMax: {
    env: 'INGRESS_CONNECTIONS_MAX',
    schema: setting.integer(10_000, 1, 1_000_000),
    help: 'Open connections.',
  },
  bodyHashKey: {
    env: 'BODY_HASH_KEY',
    schema: setting.text(''),
    secret: true,
    help: 'Key of the hash that tells a repeat from a conflict; 32 random bytes as text. Never change it while events are in the dedup window.',
  },
  cxoneSecrets: secrets('CXONE', ['CXONE_WEBHOOK_SECRET']),
  dataActionSecrets: secrets('CXONE_DATAACTION'),
  niceSecrets: secrets('NICE'),
  cognigyCidrs: {
    env: 'SOURCE_COGNIGY_CIDRS',
    schema: setting.list([]),
    help: 'Addresses or CIDR ranges that Cognigy calls from; without any the source is off.',
  },
  cognigyToken: {
    env: 'SOURCE_COGNIGY_TOKEN',
    schema: setting.optionalText(),
    secret: true,
    help: 'Bearer token that Cognigy must send as well.',
  },
} satisfies Settings

export type IngressConfig = ConfigOf<typeof SETTINGS>

const SECRET_LENGTH_MIN = 16

export const secretsOf = (config: IngressConfig, source: SourceName): readonly string[] => {
  switch (source) {
    case 'cxone':
      return config.cxoneSecrets
    case 'cxone-dataaction':
      return config.dataActionSecrets
    case 'nice':
      return config.niceSecrets
    case 'cognigy':
      return []
  }
}

const check = (config: IngressConfig): readonly string[] => {
  const problems: string[] = []
  const secretLists = [config.cxoneSecrets, config.dataActionSecrets, config.niceSecrets]
  if (secretLists.every((list) => list.length === 0) && config.cognigyCidrs.length === 0) {
    problems.push(
      'No source is on: give SOURCE_CXONE_SECRETS, SOURCE_CXONE_DATAACTION_SECRETS, SOURCE_NICE_SECRETS or SOURCE_COGNIGY_CIDRS.',
    )
  }
  if (config.profile === 'production') {
    if (secretLists.flat().some((secret) => secret.length < SECRET_LENGTH_MIN)) {
      problems.push(`A signing secret has fewer than ${SECRET_LENGTH_MIN} characters: use 32 random bytes.`)
    }
    if (config.bodyHashKey.length < SECRET_LENGTH_MIN) {
      problems.push(
        `BODY_HASH_KEY has fewer than ${SECRET_LENGTH_MIN} characters: give 32 random bytes as text.`,
      )
    }
  }
  if (config.queueBytesMax < 4 * config.bodyBytesMax) {
    problems.push(
      `INGRESS_QUEUE_BYTES_MAX is ${config.queueBytesMax} and INGRESS_BODY_BYTES_MAX is ${config.bodyBytesMax}: ` +
        'the queue must hold at least four of the largest bodies.',
    )
  }
  for (const text of [...config.cognigyCidrs, ...config.trustedProxies]) {
    try {
      parseCidr(text)
    } catch (error) {
      problems.push(`${(error as Error).message} (SOURCE_COGNIGY_CIDRS, INGRESS_TRUSTED_PROXIES)`)
    }
  }
  return problems
}

/** Throws a `ConfigError` that names each setting, its value and the fix. */
export const loadConfig = (env: Environment = process.env): IngressConfig =>
  loadSettings(SETTINGS, env, check)
