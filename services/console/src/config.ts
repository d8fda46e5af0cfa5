import {
  apiPort,
  KAFKA_SETTINGS,
  loadSettings,
  SERVICE_SETTINGS,
  setting,
  type ConfigOf,
  type Environment,
  tokenProblems,
  type Settings,
  type TokenForm,
} from '@weir/runtime'

export const SETTINGS = {
  ...SERVICE_SETTINGS,
  ...KAFKA_SETTINGS,
  host: { env: 'CONSOLE_HOST', schema: setting.text('0.0.0.0'), help: 'Address to listen on.' },
  port: apiPort('console'),
  trustedProxies: {
    env: 'CONSOLE_TRUSTED_PROXIES',
    schema: setting.proxies(),
    help: 'Addresses or CIDR ranges of proxies whose X-Forwarded-For is trusted, so that a wrong token counts against its sender.',
  },
  tokens: {
    env: 'CONSOLE_TOKENS',
    schema: setting.secretList([]),
    help: 'Bearer tokens that may ask for the status of events, separated by commas: token, name:token or name@2027-01-31:token, which is valid until that day. Give the old and the new token during a rotation. With WEIR_PROFILE=dev `dev` is valid when there is none.',
  },
  readTokens: {
    env: 'CONSOLE_READ_TOKENS',
    schema: setting.secretList([]),
    help: 'Bearer tokens that may also read the state of interactions, which has personal data. With WEIR_PROFILE=dev and neither list set, `dev` is valid.',
  },
  badTokensMax: {
    env: 'CONSOLE_BAD_TOKENS_MAX',
    schema: setting.integer(10, 1, 10_000),
    help: 'Most wrong tokens from one address, and most requests with one wrong token. Further ones get 429 for CONSOLE_BAD_TOKENS_SECS. Valid tokens are still accepted.',
  },
  badTokensSecs: {
    env: 'CONSOLE_BAD_TOKENS_SECS',
    schema: setting.integer(60, 1, 86_400),
    help: 'Seconds for which wrong tokens count against an address.',
  },
  databaseUrl: {
    env: 'DATABASE_URL',
    schema: setting.optionalPostgresUrl(),
    help: 'The PostgreSQL database of persistence. A role that may only read `events` and `interactions` is enough. Without it the console does not know stored events.',
  },
  databaseTimeoutMs: {
    env: 'CONSOLE_DATABASE_TIMEOUT_MS',
    schema: setting.integer(3_000, 100, 60_000),
    help: 'If the database does not respond in this time, the console responds from the topics only.',
  },
  eventsMax: {
    env: 'CONSOLE_EVENTS_MAX',
    schema: setting.integer(200_000, 1_000, 10_000_000),
    help: 'Latest events held in memory, about 400 bytes each. Only the database knows older ones.',
  },
  lettersMax: {
    env: 'CONSOLE_LETTERS_MAX',
    schema: setting.integer(100_000, 1_000, 10_000_000),
    help: 'Latest events with dead letters held in memory, about 1 KB each.',
  },
} satisfies Settings

export type ConsoleConfig = ConfigOf<typeof SETTINGS>

export const TOKENS = {
  setting: 'CONSOLE_TOKENS',
  roles: ['status'],
  named: false,
} as const satisfies TokenForm
export const READ_TOKENS = {
  setting: 'CONSOLE_READ_TOKENS',
  roles: ['reader'],
  named: false,
} as const satisfies TokenForm

const check = ({ profile, tokens, readTokens }: ConsoleConfig): readonly string[] => [
  ...tokenProblems(tokens, TOKENS),
  ...tokenProblems(readTokens, READ_TOKENS),
  ...(profile === 'dev' || tokens.length + readTokens.length > 0
    ? []
    : ['CONSOLE_TOKENS is not set. Give at least one token: 32 random bytes as text.']),
]

/** Throws a `ConfigError` that names each setting, its value and the fix. */
export const loadConfig = (env: Environment = process.env): ConsoleConfig =>
  loadSettings(SETTINGS, env, check)
