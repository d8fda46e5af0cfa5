import {
  KAFKA_SETTINGS,
  loadSettings,
  probePortSetting,
  SERVICE_SETTINGS,
  setting,
  type ConfigOf,
  type Environment,
  type Settings,
} from '@weir/service-kit'

export const SETTINGS = {
  ...SERVICE_SETTINGS,
  ...KAFKA_SETTINGS,
  probePort: probePortSetting('NORMALIZER', 3011),
  registryUrl: {
    env: 'SCHEMA_REGISTRY_URL',
    schema: setting.text(),
    help: 'Base URL of the Confluent-compatible schema registry.',
  },
  batchRecordsMax: {
    env: 'NORMALIZER_BATCH_RECORDS_MAX',
    schema: setting.integer(2_000, 1, 10_000),
    help: 'Most records of one transaction.',
  },
  batchBytesMax: {
    env: 'NORMALIZER_BATCH_BYTES_MAX',
    schema: setting.integer(8_388_608, 65_536, 268_435_456),
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
export const loadConfig = (env: Environment = process.env): NormalizerConfig => loadSettings(SETTINGS, env)
