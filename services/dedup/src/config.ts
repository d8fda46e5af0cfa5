import { totalmem } from 'node:os'
import {
  type ConfigOf,
  DEAD_LETTER_SETTINGS,
  deadLetterKeyProblems,
  type Environment,
  KAFKA_SETTINGS,
  loadSettings,
  probeSettings,
  SERVICE_SETTINGS,
  setting,
  type Settings,
} from '@weir/runtime'
import { BUCKETS_PER_WINDOW, filterBytes, RUNS_MAX } from '@weir/seen-keys'

export const SETTINGS = {
  ...SERVICE_SETTINGS,
  ...KAFKA_SETTINGS,
  ...DEAD_LETTER_SETTINGS,
  ...probeSettings('dedup'),
  stateDir: {
    env: 'STATE_DIR',
    schema: setting.text('.weir/state/dedup'),
    help: 'Folder for the checkpoints, a cache of the state topic that may be deleted while the service is stopped. Each process needs its own folder.',
  },
  windowSecs: {
    env: 'DEDUP_WINDOW_SECS',
    schema: setting.integer(86_400, 60, 2_592_000),
    help: 'Least time for which a key is remembered. Must not be shorter than the time over which a provider retries.',
  },
  retrySpanSecs: {
    env: 'DEDUP_RETRY_SPAN_SECS',
    schema: setting.integer(3_060, 0, 2_592_000),
    help: 'How long a provider may retry: 51 minutes for CXone (after 1, 5, 15 and 30 minutes).',
  },
  sourcesFile: {
    env: 'SOURCES_FILE',
    schema: setting.optionalText(),
    help: 'Must match the value of ingress: the window is compared with the dedupWindowSecs of its sources.',
  },
  filterCapacity: {
    env: 'DEDUP_FILTER_CAPACITY',
    schema: setting.integer(1_000_000, 16_384, 100_000_000),
    help: 'Expected new events per partition in a 24th of the window; the start checks that the memory suffices for them.',
  },
  filterErrorRate: {
    env: 'DEDUP_FILTER_ERROR_RATE',
    schema: setting.number(0.001, 0.000001, 0.1),
    help: 'False positives over all live filters; each costs one lookup on disk, never an event.',
  },
  filterBytesMax: {
    env: 'DEDUP_FILTER_BYTES_MAX',
    schema: setting.integer(2_147_483_648, 1_048_576, 1_099_511_627_776),
    help: 'Memory for the Bloom filters of this process. Keys whose filter does not fit are read from disk for every event.',
  },
  batchRecordsMax: {
    env: 'DEDUP_BATCH_RECORDS_MAX',
    schema: setting.integer(4_000, 1, 30_000),
    help: 'Most records of one transaction.',
  },
  batchBytesMax: {
    env: 'DEDUP_BATCH_BYTES_MAX',
    schema: setting.integer(4_194_304, 65_536, 268_435_456),
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

/** Keys that a partition holds in memory before it writes them as a sorted run. */
export const FRESH_KEYS_MAX = 65_536

/** Error rate of each filter, chosen so that all filters of a partition together keep the configured rate. */
export const filterErrorRateEach = (config: Pick<DedupConfig, 'filterErrorRate'>): number =>
  config.filterErrorRate / RUNS_MAX

const LIVE_BUCKETS = BUCKETS_PER_WINDOW + 1
/** Node.js itself, code, and garbage that is not collected yet. */
const BASE_BYTES = 268_435_456
/** A table has room for twice its keys, and up to twice as many arrive before it is written. */
const FRESH_KEY_BYTES = 160
const QUEUE_BYTES_MIN = 1_048_576

/**
 * Bytes that a partition may hold besides its filters: fresh and staged keys, fetched records of two inputs, one
 * transaction.
 */
const partitionBytes = ({ batchBytesMax, batchRecordsMax }: DedupConfig): number =>
  FRESH_KEY_BYTES * (FRESH_KEYS_MAX + batchRecordsMax) +
  2 * (Math.max(QUEUE_BYTES_MIN, 2 * batchBytesMax) + QUEUE_BYTES_MIN) +
  2 * batchBytesMax

/** The memory limit of the container, or the memory of the machine. */
const memoryBytes = (): number => {
  const limit = process.constrainedMemory()
  return limit > 0 && limit < totalmem() ? limit : totalmem()
}

const check = (config: DedupConfig): readonly string[] => {
  const { windowSecs, retrySpanSecs, filterCapacity, filterBytesMax, topicPartitions } = config
  const problems = [...deadLetterKeyProblems(config)]
  if (windowSecs < retrySpanSecs) {
    problems.push(
      `DEDUP_WINDOW_SECS is ${windowSecs} and DEDUP_RETRY_SPAN_SECS is ${retrySpanSecs}: ` +
        'the last retries would count as new events. Lengthen the window.',
    )
  }
  const keys = filterCapacity * LIVE_BUCKETS * topicPartitions
  const filters = filterBytes(keys, filterErrorRateEach(config))
  if (filters > filterBytesMax) {
    problems.push(
      `DEDUP_FILTER_BYTES_MAX is ${filterBytesMax} and the filters may need ${filters} ` +
        `(DEDUP_FILTER_CAPACITY ${filterCapacity}, ${topicPartitions} partitions): raise DEDUP_FILTER_BYTES_MAX or lower DEDUP_FILTER_CAPACITY.`,
    )
  }
  const needed = BASE_BYTES + Math.min(filters, filterBytesMax) + topicPartitions * partitionBytes(config)
  if (needed > memoryBytes()) {
    problems.push(
      `dedup may need ${needed} bytes of memory and has ${memoryBytes()}: lower DEDUP_FILTER_CAPACITY ` +
        `(${filterCapacity}) or DEDUP_BATCH_BYTES_MAX (${config.batchBytesMax}), or give it more memory.`,
    )
  }
  return problems
}

/** Throws a `ConfigError` that names each faulty setting, its value and the fix. */
export const loadConfig = (env: Environment = process.env): DedupConfig => loadSettings(SETTINGS, env, check)
