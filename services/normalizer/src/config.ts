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
import { EVENT_LOGS } from './event-log.ts'

export const SETTINGS = {
  ...SERVICE_SETTINGS,
  ...KAFKA_SETTINGS,
  ...DEAD_LETTER_SETTINGS,
  ...massFailureSettings('NORMALIZER'),
  ...probeSettings('normalizer'),
  registryUrl: {
    env: 'SCHEMA_REGISTRY_URL',
    schema: setting.httpUrl({ credentials: true }),
    help: 'Base URL of the Confluent-compatible schema registry.',
  },
  registerAtStart: {
    env: 'SCHEMA_REGISTER_AT_START',
    schema: setting.flag(true),
    help: 'Give false to register the event schema in a step of the deployment: `weir schema register`.',
  },
  mappingPaths: {
    env: 'MAPPINGS_FILE',
    schema: setting.list([]),
    help: 'Files and folders of mappings (YAML or JSON), separated by commas. They are tried before the built-in ones.',
  },
  sourcesFile: {
    env: 'SOURCES_FILE',
    schema: setting.optionalText(),
    help: 'The sources file of ingress. Its sources are mapped like their presets, and `unknownFields: ignore` applies.',
  },
  eventLog: {
    env: 'NORMALIZER_EVENT_LOG',
    schema: setting.oneOf(EVENT_LOGS, 'off'),
    help: 'Writes a log line with the interaction id for each event. The field `event` is webhook.processed or webhook.failed with `processed`, and webhook.success or webhook.error with `success`.',
  },
  datadogApiKey: {
    env: 'DATADOG_API_KEY',
    schema: setting.optionalForeignSecret(),
    help: 'If set, the adoption of schema versions is sent to Datadog.',
  },
  datadogUrl: {
    env: 'DATADOG_URL',
    schema: setting.httpUrl({ credentials: false }, 'https://api.datadoghq.com'),
    carries: ['DATADOG_API_KEY'],
    help: "Base URL of Datadog's API at your site.",
  },
  datadogHost: {
    env: 'DATADOG_HOST',
    schema: setting.text('cxone-consumer-01'),
    help: 'The host of the metrics.',
  },
  datadogIntervalSecs: {
    env: 'DATADOG_INTERVAL_SECS',
    schema: setting.integer(10, 1, 3_600),
    help: 'How often metrics are sent to Datadog.',
  },
  batchRecordsMax: {
    env: 'NORMALIZER_BATCH_RECORDS_MAX',
    schema: setting.integer(2_000, 1, 10_000),
    help: 'Most records of one transaction.',
  },
  batchBytesMax: {
    env: 'NORMALIZER_BATCH_BYTES_MAX',
    schema: setting.integer(2_097_152, 65_536, 268_435_456),
    help: 'Most body bytes of one transaction.',
  },
  lingerMs: {
    env: 'NORMALIZER_LINGER_MS',
    schema: setting.integer(20, 0, 5_000),
    help: 'How long a transaction waits for more records when there is no backlog.',
  },
} satisfies Settings

export type NormalizerConfig = ConfigOf<typeof SETTINGS>

/** Throws a `ConfigError` that names each setting, its value and the fix. */
export const loadConfig = (env: Environment = process.env): NormalizerConfig =>
  loadSettings(SETTINGS, env, deadLetterKeyProblems)
