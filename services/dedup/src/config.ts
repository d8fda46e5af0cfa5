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
import { BUCKETS_PER_WINDOW, filterBytes } from '@weir/seen-keys'

export const SETTINGS = {
  ...SERVICE_SETTINGS,
  ...KAFKA_SETTINGS,
  probePort: probePortSetting('DEDUP', 3010),
  stateDir: {
    env: 'STATE_DIR',
    schema: setting.text('.weir/state/dedup'),
    help: 'Folder for the checkpoints: a cache of the state topic, may be deleted while the service is stopped. One process each.',
  },
  windowSecs: {
    env: 'DEDUP_WINDOW_SECS',
    schema: setting.integer(86_400, 60, 2_592_000),
    help: 'How long a key is remembered at least. Never shorter than the time over which a provider retries.',
  },
  retrySpanSecs: {
    env: 'DEDUP_RETRY_SPAN_SECS',
    schema: setting.integer(3_060, 0, 2_592_000),
    help: 'How long a provider may retry: 51 minutes for CXone (after 1, 5, 15 and 30 minutes).',
  },
  filterCapacity: {
    env: 'DEDUP_FILTER_CAPACITY',
    schema: setting.integer(1_000_000, 16_384, 100_000_000),
    help: 'Keys of the largest Bloom filter of a bucket; a fuller bucket opens another.',
  },
  filterErrorRate: {
    env: 'DEDUP_FILTER_ERROR_RATE',
    schema: setting.number(0.001, 0.000001, 0.1),
    help: 'False positives over all live filters; each costs one lookup on disk, never an event.',
  },
  filterBytesMax: {
    env: 'DEDUP_FILTER_BYTES_MAX',
    schema: setting.integer(2_147_483_648, 1_048_576, 1_099_511_627_776),
    help: 'Memory for the filters when every bucket of every partition holds one full filter.',
  },
  batchRecordsMax: {
    env: 'DEDUP_BATCH_RECORDS_MAX',
    schema: setting.integer(4_000, 1, 30_000),
    help: 'Most records of one transaction.',
  },
  batchBytesMax: {
    env: 'DEDUP_BATCH_BYTES_MAX',
    schema: setting.integer(16_777_216, 65_536, 268_435_456),
    help: 'Most body bytes of one transaction.',
  },
  lingerMs: {
    env: 'DEDUP_LINGER_MS',
    schema: setting.integer(20, 0, 5_000),
    help: 'How long a transaction waits for more records when there is no backlog.',
  },
  statsWindowSecs: {
    env: 'STATS_WINDOW_SECS',
    schema: setting.integer(300, 1, 86_400),
    help: 'Length of the windows in which events are counted.',
  },
  auditDuplicates: {
    env: 'DEDUP_AUDIT_DUPLICATES',
    schema: setting.flag(false),
    help: 'Give true to keep every duplicate in its own topic.',
  },
} satisfies Settings

export type DedupConfig = ConfigOf<typeof SETTINGS>

/** One filter of each live bucket of each partition. */
export const filterErrorRateEach = (config: Pick<DedupConfig, 'filterErrorRate'>): number =>
  config.filterErrorRate / (BUCKETS_PER_WINDOW + 1)

const check = (config: DedupConfig): readonly string[] => {
  const problems: string[] = []
  if (config.windowSecs < config.retrySpanSecs) {
    problems.push(
      `DEDUP_WINDOW_SECS is ${config.windowSecs} and DEDUP_RETRY_SPAN_SECS is ${config.retrySpanSecs}: ` +
        'the last retries would count as new events. Lengthen the window.',
    )
  }
  const each = filterBytes(config.filterCapacity, filterErrorRateEach(config))
  const needed = each * (BUCKETS_PER_WINDOW + 1) * config.topicPartitions
  if (needed > config.filterBytesMax) {
    problems.push(
      `DEDUP_FILTER_BYTES_MAX is ${config.filterBytesMax} and the filters may need ${needed} ` +
        `(DEDUP_FILTER_CAPACITY ${config.filterCapacity}, ${config.topicPartitions} partitions): raise the one or lower the other.`,
    )
  }
  return problems
}

/** Throws a `ConfigError` that names each setting, its value and the fix. */
export const loadConfig = (env: Environment = process.env): DedupConfig => loadSettings(SETTINGS, env, check)
