import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import {
  parseDeadLetterKeys,
  portVariable,
  SERVICE_NAMES,
  SERVICES,
  type DeadLetterKeys,
  type ServiceName,
} from '@weir/contracts'
import {
  ConfigError,
  type ConfigOf,
  DEAD_LETTER_SETTINGS,
  deadLetterKeyProblems,
  type Environment,
  KAFKA_SETTINGS,
  loadSettings,
  PROFILE_SETTINGS,
  risksOf,
  SERVICE_SETTINGS,
  setting,
  type Setting,
  type Settings,
} from '@weir/runtime'
import { settingAliases } from '@weir/sources'
import { progress } from './output.ts'

const port = (env: string, fallback: number, what: string) => ({
  env,
  schema: setting.integer(fallback, 1, 65_535),
  help: `Port of ${what} on this machine.`,
})

type ServicePorts = { readonly [Name in ServiceName as `${Name}Port`]: ReturnType<typeof port> }
const SERVICE_PORTS = Object.fromEntries(
  SERVICE_NAMES.map((name) => [`${name}Port`, port(portVariable(name), SERVICES[name].port, name)]),
) as unknown as ServicePorts

export const START_SETTINGS = {
  kafkaBrokers: {
    env: 'KAFKA_BROKERS',
    schema: setting.optionalText(),
    help: 'Used instead of a local Kafka.',
  },
  registryUrl: {
    env: 'SCHEMA_REGISTRY_URL',
    schema: setting.optionalHttpUrl({ credentials: true }),
    help: 'Used instead of a local registry.',
  },
  databaseUrl: {
    env: 'DATABASE_URL',
    schema: setting.optionalPostgresUrl(),
    help: 'Used instead of a local PostgreSQL.',
  },
  influxUrl: {
    env: 'INFLUX_URL',
    schema: setting.optionalHttpUrl({ credentials: true }),
    help: 'Used instead of a local InfluxDB.',
  },
  kafkaPort: port('KAFKA_PORT', 19_092, 'Kafka'),
  kafkaControllerPort: port('KAFKA_CONTROLLER_PORT', 19_093, "Kafka's controller"),
  registryPort: port('REGISTRY_PORT', 18_081, 'the schema registry'),
  postgresPort: port('POSTGRES_PORT', 15_432, 'PostgreSQL'),
  influxPort: port('INFLUX_PORT', 18_086, 'InfluxDB'),
  ...SERVICE_PORTS,
} satisfies Settings

export type StartConfig = ConfigOf<typeof START_SETTINGS>
export type PortName = Extract<keyof StartConfig, `${string}Port`>
const isPort = (name: string): name is PortName => name.endsWith('Port')

/** The variables of all ports with their defaults. */
export const describePorts = (): readonly string[] =>
  Object.entries(START_SETTINGS)
    .filter(([name]) => isPort(name))
    .map(([, { env, schema }]) => `${env} ${String(schema.parse(undefined))}`)

/** The environment variable of a port. */
export const envOf = (name: PortName): string => START_SETTINGS[name].env

/** Treats an empty setting as unset. */
const given = (env: Environment): Environment =>
  Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''))

/** A setting is given when the caller sets it, its file variable or one of its older names. */
const otherNamesOf = (name: string): readonly string[] =>
  [name, ...settingAliases(name)].flatMap((one) => [one, `${one}_FILE`]).slice(1)

/** `defaults`, overridden by what the caller's environment sets under any of a setting's names. */
const layered = (defaults: Environment, env: Environment): Environment => {
  const own = given(env)
  const open = Object.entries(defaults).filter(([name]) => !otherNamesOf(name).some((one) => one in own))
  return { ...Object.fromEntries(open), ...own }
}

let used: Environment = process.env

/** Settings of the commands of this process: the caller's environment, above `useEnvironment`'s. */
export const environment = (): Environment => used

/** Sets defaults for all settings that this process loads from now on. The caller's environment overrides them. */
export const useEnvironment = (defaults: Environment): void => {
  used = layered(defaults, process.env)
}

/** Reads a file of `NAME=value` lines. Throws a `ConfigError`. */
export const readEnvFile = (file: string): Environment => {
  try {
    return parseEnv(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new ConfigError(`--env-file ${file}: cannot be read (${(error as NodeJS.ErrnoException).code}).`)
  }
}

const told = new Set<string>()

/** Like `loadSettings`, and names each risk that the settings accept once. */
export const load: typeof loadSettings = (settings, env, check) => {
  const config = loadSettings(settings, env, check)
  for (const risk of risksOf(settings, config)) tellRisk(risk)
  return config
}

export const tellRisk = (risk: string): void => {
  if (!told.has(risk)) progress(risk)
  told.add(risk)
}

export const loadStartConfig = (env: Environment = environment()): StartConfig => load(START_SETTINGS, env)

export const TOPICS_SETTINGS = {
  ...SERVICE_SETTINGS,
  ...KAFKA_SETTINGS,
  replicationFactor: {
    env: 'TOPIC_REPLICATION_FACTOR',
    schema: setting.integer(3, 1, 10),
    help: 'Replicas of each new topic; below 3 only with WEIR_PROFILE=dev.',
  },
  minInsyncReplicas: {
    env: 'TOPIC_MIN_INSYNC_REPLICAS',
    schema: setting.integer(2, 1, 10),
    help: 'Replicas that must store a record before it is acknowledged; below 2 only with WEIR_PROFILE=dev.',
  },
} satisfies Settings

export type TopicsConfig = ConfigOf<typeof TOPICS_SETTINGS>

export const loadTopicsConfig = (env: Environment = environment()): TopicsConfig =>
  load(TOPICS_SETTINGS, env, (config) =>
    config.minInsyncReplicas > config.replicationFactor
      ? [
          `TOPIC_MIN_INSYNC_REPLICAS is ${config.minInsyncReplicas} and TOPIC_REPLICATION_FACTOR is ${config.replicationFactor}: ` +
            'nothing could ever be acknowledged. Lower TOPIC_MIN_INSYNC_REPLICAS or raise TOPIC_REPLICATION_FACTOR.',
        ]
      : [],
  )

export const loadOffsetsConfig = (env: Environment = environment()): ConfigOf<typeof KAFKA_SETTINGS> =>
  load(KAFKA_SETTINGS, env)

const asItsServiceHasIt = <T>(env: string, schema: Setting<T>['schema']) => ({
  env,
  schema,
  help: 'Must match the value of the service that uses it.',
})

/** The sides that an audit compares: the ledger of a simulator, and topics, database and InfluxDB. */
export const AUDIT_SETTINGS = {
  ...SERVICE_SETTINGS,
  ...KAFKA_SETTINGS,
  ...DEAD_LETTER_SETTINGS,
  truthDir: asItsServiceHasIt('TRUTH_DIR', setting.text('.weir/state/truth')),
  registryUrl: asItsServiceHasIt('SCHEMA_REGISTRY_URL', setting.httpUrl({ credentials: true })),
  databaseUrl: asItsServiceHasIt('DATABASE_URL', setting.postgresUrl()),
  influxUrl: {
    ...asItsServiceHasIt('INFLUX_URL', setting.optionalHttpUrl({ credentials: true })),
    carries: ['INFLUX_TOKEN'],
  },
  influxToken: asItsServiceHasIt('INFLUX_TOKEN', setting.foreignSecret('')),
  influxOrg: asItsServiceHasIt('INFLUX_ORG', setting.text('default')),
  influxBucket: asItsServiceHasIt('INFLUX_BUCKET', setting.text('cxone_metrics')),
  influxTimeoutMs: asItsServiceHasIt('INFLUX_TIMEOUT_MS', setting.integer(10_000, 100, 120_000)),
  environment: asItsServiceHasIt('METRIC_EXPORT_ENVIRONMENT', setting.text('production')),
} satisfies Settings

export type AuditConfig = ConfigOf<typeof AUDIT_SETTINGS>

export const loadAuditConfig = (env: Environment = environment()): AuditConfig =>
  load(AUDIT_SETTINGS, env, deadLetterKeyProblems)

/** Keys of sealed letters; undefined when there are none. */
export const loadDeadLetterKeys = (env: Environment): DeadLetterKeys | undefined =>
  parseDeadLetterKeys(load(DEAD_LETTER_SETTINGS, env, deadLetterKeyProblems).deadLetterKeys)

/** Settings of `weir mapping` and `weir sources` when no file is named. */
const FILE_SETTINGS = {
  sourcesFile: asItsServiceHasIt('SOURCES_FILE', setting.optionalText()),
  mappingPaths: asItsServiceHasIt('MAPPINGS_FILE', setting.list([])),
} satisfies Settings

export const loadFileConfig = (env: Environment = environment()): ConfigOf<typeof FILE_SETTINGS> =>
  load(FILE_SETTINGS, env)

/** Settings of `weir schema ls|diff|approve`. */
const SCHEMA_SETTINGS = {
  ...KAFKA_SETTINGS,
  user: { env: 'USER', schema: setting.text('unknown'), help: 'Stored with an approval as the approver.' },
} satisfies Settings

export const loadSchemaConfig = (env: Environment = environment()): ConfigOf<typeof SCHEMA_SETTINGS> =>
  load(SCHEMA_SETTINGS, env)

/** Settings of `weir backfill`. */
const BACKFILL_SETTINGS = {
  ...KAFKA_SETTINGS,
  databaseUrl: asItsServiceHasIt('DATABASE_URL', setting.postgresUrl()),
  statementTimeoutMs: {
    env: 'DATABASE_STATEMENT_TIMEOUT_MS',
    schema: setting.integer(30_000, 100, 600_000),
    help: 'Must match the value of persistence. A chunk that takes longer is given up, and the command reports it.',
  },
} satisfies Settings

export const loadBackfillConfig = (env: Environment = environment()): ConfigOf<typeof BACKFILL_SETTINGS> =>
  load(BACKFILL_SETTINGS, env)

/** What `weir hold` and `weir retention` read. */
const RETENTION_SETTINGS = {
  ...KAFKA_SETTINGS,
  databaseUrl: asItsServiceHasIt('DATABASE_OWNER_URL', setting.postgresUrl()),
  statementTimeoutMs: {
    env: 'DATABASE_STATEMENT_TIMEOUT_MS',
    schema: setting.integer(30_000, 100, 600_000),
    help: 'A chunk of rows that takes longer is given up, and the command says so.',
  },
  windowSecs: asItsServiceHasIt('DEDUP_WINDOW_SECS', setting.integer(86_400, 60, 2_592_000)),
  sourcesFile: asItsServiceHasIt('SOURCES_FILE', setting.optionalText()),
} satisfies Settings

export type RetentionConfig = ConfigOf<typeof RETENTION_SETTINGS>

export const loadRetentionConfig = (env: Environment = environment()): RetentionConfig =>
  load(RETENTION_SETTINGS, env)

/** Settings of `weir db migrate`. */
export const DATABASE_SETTINGS = {
  adminUrl: {
    env: 'DATABASE_ADMIN_URL',
    schema: setting.optionalPostgresUrl(),
    help: 'A superuser, or a role that may create roles and owns the database: makes the roles of the other addresses, and hands the tables of before over to their owner. Without it the roles must be there.',
  },
  ownerUrl: {
    env: 'DATABASE_OWNER_URL',
    schema: setting.postgresUrl(),
    help: 'The role that owns the tables and changes them at an upgrade; no service needs it.',
  },
  writerUrl: {
    env: 'DATABASE_WRITER_URL',
    schema: setting.optionalPostgresUrl(),
    help: 'The role in the DATABASE_URL of persistence: reads, adds and fills rows.',
  },
  readerUrl: {
    env: 'DATABASE_READER_URL',
    schema: setting.optionalPostgresUrl(),
    help: 'The role in the DATABASE_URL of the console, also for audits and people: reads.',
  },
} satisfies Settings

export const loadDatabaseConfig = (env: Environment = environment()): ConfigOf<typeof DATABASE_SETTINGS> =>
  loadSettings(DATABASE_SETTINGS, env)

const REGISTRY_SETTINGS = {
  ...PROFILE_SETTINGS,
  registryUrl: asItsServiceHasIt('SCHEMA_REGISTRY_URL', setting.httpUrl({ credentials: true })),
  topicPrefix: KAFKA_SETTINGS.topicPrefix,
} satisfies Settings

export const loadRegistryConfig = (env: Environment = environment()): ConfigOf<typeof REGISTRY_SETTINGS> =>
  load(REGISTRY_SETTINGS, env)

/** Where the replay service listens. */
export const REPLAY_CLIENT_SETTINGS = {
  ...PROFILE_SETTINGS,
  url: {
    env: 'REPLAY_URL',
    schema: setting.optionalHttpUrl({ credentials: false }),
    carries: ['REPLAY_TOKEN'],
    help: 'Base URL of the replay service.',
  },
  port: START_SETTINGS.replayPort,
  token: {
    env: 'REPLAY_TOKEN',
    schema: setting.optionalToken(),
    help: 'Token of the replay service, without its name.',
  },
} satisfies Settings

export const loadReplayClientConfig = (
  env: Environment = environment(),
): ConfigOf<typeof REPLAY_CLIENT_SETTINGS> => load(REPLAY_CLIENT_SETTINGS, env)

/** The environment for the services of this process: the caller's, with the defaults of a local run. */
export const serviceEnvironment = (defaults: Environment, env: Environment = environment()): Environment =>
  layered(defaults, env)
