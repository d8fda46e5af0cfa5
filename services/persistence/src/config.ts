import { rowSinkSettings } from '@weir/row-sink'
import {
  deadLetterKeyProblems,
  loadSettings,
  setting,
  type ConfigOf,
  type Environment,
  type Settings,
} from '@weir/runtime'

export const SETTINGS = {
  ...rowSinkSettings('persistence'),
  databaseUrl: {
    env: 'DATABASE_URL',
    schema: setting.postgresUrl(),
    help: 'PostgreSQL, as postgres://user:password@host:port/database.',
  },
  poolMax: {
    env: 'DATABASE_POOL_MAX',
    schema: setting.integer(4, 1, 100),
    help: 'Most connections to the database; one is busy for each partition that writes.',
  },
  statementTimeoutMs: {
    env: 'DATABASE_STATEMENT_TIMEOUT_MS',
    schema: setting.integer(30_000, 100, 600_000),
    help: 'Timeout of a statement. After it, the rows are written in halves; a single row that exceeds it three times becomes a dead letter. A wait for a lock ends after a tenth of it and is repeated without a limit.',
  },
} satisfies Settings

export type PersistenceConfig = ConfigOf<typeof SETTINGS>

/** Throws a `ConfigError` that names each setting, its value and the fix. */
export const loadConfig = (env: Environment = process.env): PersistenceConfig =>
  loadSettings(SETTINGS, env, deadLetterKeyProblems)
