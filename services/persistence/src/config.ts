import {
  type ConfigOf,
  DEAD_LETTER_SETTINGS,
  deadLetterKeyProblems,
  type Environment,
  KAFKA_SETTINGS,
  loadSettings,
  massFailureSettings,
  probeSettings,
  SERVICE_SETTINGS,
  setting,
  type Settings,
} from '@weir/runtime'

export const SETTINGS = {
  ...SERVICE_SETTINGS,
  ...KAFKA_SETTINGS,
  ...DEAD_LETTER_SETTINGS,
  ...massFailureSettings('PERSISTENCE'),
  ...probeSettings('PERSISTENCE', 3012),
  registryUrl: {
    env: 'SCHEMA_REGISTRY_URL',
    schema: setting.httpUrl({ credentials: true }),
    help: 'Base URL of the Confluent-compatible schema registry.',
  },
  databaseUrl: {
    env: 'DATABASE_URL',
    schema: setting.postgresUrl(),
    help: 'PostgreSQL, as postgres://user:password@host:port/database.',
  },
  nullFill: {
    env: 'PERSISTENCE_NULL_FILL',
    schema: setting.flag(true),
    help: 'Known fields of the event type that a payload lacks become null attributes of its row, and the row has the number of its shape; false: both are left out.',
  },
  poolMax: {
    env: 'DATABASE_POOL_MAX',
    schema: setting.integer(4, 1, 100),
    help: 'Most connections to the database; one is busy for each partition that writes.',
  },
  statementTimeoutMs: {
    env: 'DATABASE_STATEMENT_TIMEOUT_MS',
    schema: setting.integer(30_000, 100, 600_000),
    help: 'A statement that takes so long is given up and tried with half the rows; a row that takes so long alone, three times, becomes a dead letter. A lock is waited for a tenth of it at a time, without end.',
  },
  batchRecordsMax: {
    env: 'PERSISTENCE_BATCH_RECORDS_MAX',
    schema: setting.integer(1_000, 1, 10_000),
    help: 'Most records of one transaction.',
  },
  batchBytesMax: {
    env: 'PERSISTENCE_BATCH_BYTES_MAX',
    schema: setting.integer(8_388_608, 65_536, 268_435_456),
    help: 'Most body bytes of one transaction.',
  },
  lingerMs: {
    env: 'PERSISTENCE_LINGER_MS',
    schema: setting.integer(50, 0, 5_000),
    help: 'How long a transaction waits for more records when there is no backlog.',
  },
} satisfies Settings

export type PersistenceConfig = ConfigOf<typeof SETTINGS>

/** Throws a `ConfigError` that names each setting, its value and the fix. */
export const loadConfig = (env: Environment = process.env): PersistenceConfig =>
  loadSettings(SETTINGS, env, deadLetterKeyProblems)
