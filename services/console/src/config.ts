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
    help: 'Addresses or CIDR ranges whose X-Forwarded-For is believed, so that wrong tokens count for their sender.',
  },
  tokens: {
    env: 'CONSOLE_TOKENS',
    schema: setting.secretList([]),
    help: 'Bearer tokens that may ask what became of events, separated by commas: token, name:token or name@2027-01-31:token, which is taken until then. Give the old and the new one while they rotate. With WEIR_PROFILE=dev `dev` is taken when there is none.',
  },
  readTokens: {
    env: 'CONSOLE_READ_TOKENS',
    schema: setting.secretList([]),
    help: 'Bearer tokens that may also read the state of interactions, which has personal data. With WEIR_PROFILE=dev, and neither list given, `dev` may.',
  },
  badTokensMax: {
    env: 'CONSOLE_BAD_TOKENS_MAX',
    schema: setting.integer(10, 1, 10_000),
    help: 'Wrong tokens of one address, or requests with one wrong token; after that more of them get 429 for CONSOLE_BAD_TOKENS_SECS. Right tokens are taken all the same.',
  },
  badTokensSecs: {
    env: 'CONSOLE_BAD_TOKENS_SECS',
    schema: setting.integer(60, 1, 86_400),
    help: 'How long wrong tokens are held against an address.',
  },
  databaseUrl: {
    env: 'DATABASE_URL',
    schema: setting.optionalPostgresUrl(),
    help: 'PostgreSQL that persistence writes to; a role that may only read `events` and `interactions` is enough. Without it stored events are not known.',
  },
  databaseTimeoutMs: {
    env: 'CONSOLE_DATABASE_TIMEOUT_MS',
    schema: setting.integer(3_000, 100, 60_000),
    help: 'Without an answer of the database in this time a question is answered from the topics alone.',
  },
  eventsMax: {
    env: 'CONSOLE_EVENTS_MAX',
    schema: setting.integer(200_000, 1_000, 10_000_000),
    help: 'Latest events held in memory, about 400 bytes each; older ones are known from the database alone.',
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
    : ['CONSOLE_TOKENS is not set: give at least one, 32 random bytes as text.']),
]

/** Throws a `ConfigError` that names each setting, its value and the fix. */
export const loadConfig = (env: Environment = process.env): ConsoleConfig =>
  loadSettings(SETTINGS, env, check)
