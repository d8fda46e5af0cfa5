import { settingPrefix, type ServiceName } from '@weir/contracts'
import {
  DEAD_LETTER_SETTINGS,
  KAFKA_SETTINGS,
  massFailureSettings,
  probeSettings,
  SERVICE_SETTINGS,
  setting,
  type ConfigOf,
  type Settings,
} from '@weir/runtime'

/** Settings of every service that writes rows. */
export const rowSinkSettings = (service: ServiceName) => {
  const prefix = settingPrefix(service)
  return {
    ...SERVICE_SETTINGS,
    ...KAFKA_SETTINGS,
    ...DEAD_LETTER_SETTINGS,
    ...massFailureSettings(prefix),
    ...probeSettings(service),
    registryUrl: {
      env: 'SCHEMA_REGISTRY_URL',
      schema: setting.httpUrl({ credentials: true }),
      help: 'Base URL of the Confluent-compatible schema registry.',
    },
    nullFill: {
      env: `${prefix}_NULL_FILL`,
      schema: setting.flag(true),
      help: 'If true, a row has a null attribute for each known field of its event type that the payload lacks, and the number of its shape. If false, it has neither.',
    },
    batchRecordsMax: {
      env: `${prefix}_BATCH_RECORDS_MAX`,
      schema: setting.integer(1_000, 1, 10_000),
      help: 'Most records of one transaction.',
    },
    batchBytesMax: {
      env: `${prefix}_BATCH_BYTES_MAX`,
      schema: setting.integer(8_388_608, 65_536, 268_435_456),
      help: 'Most body bytes of one transaction.',
    },
    lingerMs: {
      env: `${prefix}_LINGER_MS`,
      schema: setting.integer(50, 0, 5_000),
      help: 'How long a transaction waits for more records when there is no backlog.',
    },
  } satisfies Settings
}

export type RowSinkConfig = ConfigOf<ReturnType<typeof rowSinkSettings>>
