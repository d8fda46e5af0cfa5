import {
  KAFKA_SETTINGS,
  loadSettings,
  probeSettings,
  SERVICE_SETTINGS,
  setting,
  type ConfigOf,
  type Environment,
  type Settings,
} from '@weir/runtime'

export const SETTINGS = {
  ...SERVICE_SETTINGS,
  ...KAFKA_SETTINGS,
  ...probeSettings('metric-export'),
  influxUrl: {
    env: 'INFLUX_URL',
    schema: setting.optionalHttpUrl({ credentials: true }),
    carries: ['INFLUX_TOKEN'],
    help: 'InfluxDB 2.x, or 1.8 with its version 2 interface. Without it only /metrics is served.',
  },
  influxToken: {
    env: 'INFLUX_TOKEN',
    schema: setting.foreignSecret(''),
    help: 'Token with the right to write the bucket.',
  },
  influxOrg: { env: 'INFLUX_ORG', schema: setting.text('default'), help: 'Organisation of the bucket.' },
  influxBucket: { env: 'INFLUX_BUCKET', schema: setting.text('cxone_metrics'), help: 'Bucket.' },
  influxTimeoutMs: {
    env: 'INFLUX_TIMEOUT_MS',
    schema: setting.integer(10_000, 100, 120_000),
    help: 'A write that takes longer than this, or than half of KAFKA_SESSION_TIMEOUT_MS, is given up and repeated. Each window is written once more after three times this long without a change.',
  },
  environment: {
    env: 'METRIC_EXPORT_ENVIRONMENT',
    schema: setting.text('production'),
    help: 'The tag `environment` of every point.',
  },
  batchRecordsMax: {
    env: 'METRIC_EXPORT_BATCH_RECORDS_MAX',
    schema: setting.integer(2_000, 1, 10_000),
    help: 'Most records of one transaction.',
  },
  batchBytesMax: {
    env: 'METRIC_EXPORT_BATCH_BYTES_MAX',
    schema: setting.integer(8_388_608, 65_536, 268_435_456),
    help: 'Most body bytes of one transaction.',
  },
  lingerMs: {
    env: 'METRIC_EXPORT_LINGER_MS',
    schema: setting.integer(500, 0, 5_000),
    help: 'How long counts gather before they are written.',
  },
} satisfies Settings

export type MetricExportConfig = ConfigOf<typeof SETTINGS>

/** Throws a `ConfigError` that names each faulty setting, its value and the fix. */
export const loadConfig = (env: Environment = process.env): MetricExportConfig => loadSettings(SETTINGS, env)
