import { TOPIC_SPECS } from '@weir/contracts'
import { checkTopics, ensureTopics, waitForBrokers } from '@weir/kafka'
import { ConfigError, createLogger } from '@weir/service-kit'
import { loadTopicsConfig } from './config.ts'

/** Exit code 0: every topic is there and right; 1: one is not, and why is on stderr; 2: unusable settings. */
export const runTopics = async (): Promise<number> => {
  let config
  try {
    config = loadTopicsConfig()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\n`)
    return 2
  }
  const logger = createLogger('topics', config.logLevel)
  const { replicationFactor, minInsyncReplicas, profile } = config
  await waitForBrokers(config, logger)
  await ensureTopics({ settings: config, logger, specs: TOPIC_SPECS, replicationFactor, minInsyncReplicas })
  const faults = await checkTopics({ settings: config, logger, profile, specs: TOPIC_SPECS })
  for (const fault of faults) process.stderr.write(`${fault}\n`)
  if (faults.length === 0) logger.info({ topics: TOPIC_SPECS.length }, 'every topic is as it must be')
  return faults.length === 0 ? 0 : 1
}
