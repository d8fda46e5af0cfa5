import {
  apiPort,
  AccessTokens,
  type ConfigOf,
  DEAD_LETTER_SETTINGS,
  deadLetterKeyProblems,
  type Environment,
  KAFKA_SETTINGS,
  loadSettings,
  SERVICE_SETTINGS,
  setting,
  type Settings,
  type TokenForm,
  tokenProblems,
} from '@weir/runtime'
import { approvalProblems } from './jobs/approvals.ts'

export const SETTINGS = {
  ...SERVICE_SETTINGS,
  ...KAFKA_SETTINGS,
  ...DEAD_LETTER_SETTINGS,
  host: { env: 'REPLAY_HOST', schema: setting.text('127.0.0.1'), help: 'Address to listen on.' },
  port: apiPort('replay'),
  tokens: {
    env: 'REPLAY_TOKENS',
    schema: setting.secretList(),
    help: 'Who may read and replay dead letters: name:token, separated by commas. Each job stores the name. name/viewer:token may only read, name@2027-01-31:token is valid until that day. During a rotation, give a name its old and its new token.',
  },
  approvals: {
    env: 'REPLAY_APPROVALS',
    schema: setting.list([]),
    help: 'Which jobs an operator with another name must approve: fix-up (all), discard (all), over:<letters> (jobs that can take more). See docs/operations/dead-letters.md.',
  },
  registryUrl: {
    env: 'SCHEMA_REGISTRY_URL',
    schema: setting.httpUrl({ credentials: true }),
    help: 'Base URL of the Confluent-compatible schema registry.',
  },
  sourcesFile: {
    env: 'SOURCES_FILE',
    schema: setting.optionalText(),
    help: 'Must match the value of ingress: a repaired malformed body gets its key here.',
  },
  bodyHashKey: {
    env: 'BODY_HASH_KEY',
    schema: setting.secret(''),
    help: 'Must match the value of ingress: a repaired malformed body gets its hash here.',
  },
} satisfies Settings

export type ReplayConfig = ConfigOf<typeof SETTINGS>

export const TOKENS = {
  setting: 'REPLAY_TOKENS',
  roles: ['operator', 'viewer'],
  named: true,
} as const satisfies TokenForm

const operatorsOf = (tokens: readonly string[]): number => {
  const { holders } = new AccessTokens().add(tokens, TOKENS)
  return new Set(holders.filter(({ role }) => role === TOKENS.roles[0]).map(({ name }) => name.toLowerCase()))
    .size
}

const check = (config: ReplayConfig): readonly string[] => [
  ...deadLetterKeyProblems(config),
  ...(config.tokens.length > 0 ? [] : ['REPLAY_TOKENS needs at least one name:token.']),
  ...tokenProblems(config.tokens, TOKENS),
  ...approvalProblems(config.approvals),
  ...(config.approvals.length === 0 || operatorsOf(config.tokens) > 1
    ? []
    : [
        'REPLAY_APPROVALS needs operators with two names in REPLAY_TOKENS, because operators cannot approve their own jobs.',
      ]),
]

/** Throws a `ConfigError` that names each setting, its value and the fix. */
export const loadConfig = (env: Environment = process.env): ReplayConfig => loadSettings(SETTINGS, env, check)
