import { TOPIC_SPECS } from '@weir/contracts'
import { checkInternalTopics, checkTopics, ensureTopics, waitForBrokers } from '@weir/kafka'
import { createLogger } from '@weir/runtime'
import { loadTopicsConfig } from '../config.ts'
import { progress } from '../output.ts'

/**
 * Exit code 0: every topic exists and is correct; 1: a topic is missing or wrong, and stderr says why. Rejects with a
 * `ConfigError` for unusable settings.
 */
export const runTopics = async (): Promise<number> => {
  const config = loadTopicsConfig()
  const logger = createLogger('topics', config.logLevel)
  const { replicationFactor, minInsyncReplicas, profile } = config
  await waitForBrokers(config, logger)
  await ensureTopics({ settings: config, logger, specs: TOPIC_SPECS, replicationFactor, minInsyncReplicas })
  const faults = await checkTopics({ settings: config, logger, profile, specs: TOPIC_SPECS })
  const internal = await checkInternalTopics({ settings: config, logger, profile })
  progress(...faults, ...internal)
  const isRight = faults.length === 0 && internal.length === 0
  if (isRight) logger.info({ topics: TOPIC_SPECS.length }, 'every topic is as it must be')
  return isRight ? 0 : 1
}
