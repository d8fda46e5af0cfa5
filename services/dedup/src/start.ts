import { parseDeadLetterKeys, PROCESSORS } from '@weir/contracts'
import { FolderLockedError, lockFolder, StoreMemory } from '@weir/seen-keys'
import {
  ConfigError,
  once,
  type Service,
  type ServiceDeps,
  sharedLetterKeys,
  startConsumer,
} from '@weir/runtime'
import { FRESH_KEYS_MAX, filterErrorRateEach, SETTINGS, type DedupConfig } from './config.ts'
import { dedupMetrics } from './dedup-metrics.ts'
import { DedupTask } from './dedup-task.ts'
import { requireSameLayout } from './layout.ts'
import { checkSourceWindows } from './source-windows.ts'
import { repairSentence } from './restore-state.ts'

export const start = async (config: DedupConfig, deps: ServiceDeps): Promise<Service> => {
  const { problems, warnings } = checkSourceWindows(config)
  if (problems.length > 0) throw new ConfigError(problems.join('\n'))
  for (const warning of warnings) deps.logger.warn(warning)
  return startConsumer(
    {
      service: 'dedup',
      config,
      settings: SETTINGS,
      ...PROCESSORS.dedup,
      repair: repairSentence,
      shared: sharedLetterKeys(config.deadLetterKeys),
      open: (topics) => {
        const unlock = lock(config.stateDir)
        const owner = {
          topics,
          seenKeys: { windowMs: config.windowSecs * 1_000, partitions: config.topicPartitions },
          store: {
            filterErrorRate: filterErrorRateEach(config),
            freshKeysMax: FRESH_KEYS_MAX,
            memory: new StoreMemory(config.filterBytesMax),
          },
          stateDir: config.stateDir,
          statsWindowMs: config.statsWindowSecs * 1_000,
          auditDuplicates: config.auditDuplicates,
          logger: deps.logger,
          metrics: dedupMetrics(deps.metrics),
          deadLetterKeys: parseDeadLetterKeys(config.deadLetterKeys),
          // The partition count cannot change while the service runs.
          requireNew: once(() => requireSameLayout(config, topics.seen)),
        }
        return {
          openTask: (partition) => Promise.resolve(new DedupTask(owner, partition)),
          close: async () => unlock(),
        }
      },
    },
    deps,
  )
}

const lock = (stateDir: string): (() => void) => {
  try {
    return lockFolder(stateDir)
  } catch (error) {
    if (!(error instanceof FolderLockedError)) throw error
    throw new ConfigError(
      `STATE_DIR is ${stateDir}, which another process uses. Give each process its own folder.`,
      { cause: error },
    )
  }
}
