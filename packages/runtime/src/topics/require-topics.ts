import { TOPIC_SPECS, type TopicRole } from '@weir/contracts'
import { checkInternalTopics, checkTopics, waitForBrokers, type KafkaSettings } from '@weir/kafka'
import type { Logger } from '../service/logger.ts'
import { ConfigError } from '../settings/config.ts'
import { compareSettings, ensureNewTopics, type SharedValues } from './shared-settings.ts'

export interface TopicRequirements {
  readonly service: string
  readonly config: KafkaSettings & { readonly profile: 'production' | 'dev' }
  readonly logger: Logger
  /** Ends the wait for the brokers. */
  readonly signal?: AbortSignal
  /** Topics that the service reads or writes. */
  readonly roles: readonly TopicRole[]
  /** Values that must be the same in all services of the deployment; absent: the service compares none. */
  readonly shared?: SharedValues
  /** Whether the service commits transactions, which live in the brokers' internal topics. */
  readonly isTransactional: boolean
}

/**
 * Waits for the brokers, then checks everything that a service needs of the cluster before it reads or writes: its
 * topics, the brokers' internal topics and the shared settings. Rejects with a `ConfigError` that has a line for each
 * fault.
 */
export const requireTopics = async (requirements: TopicRequirements): Promise<void> => {
  const { service, config, logger, signal, roles, shared, isTransactional } = requirements
  const waiting = { logger, ...(signal && { signal }) }
  const check = { settings: config, profile: config.profile, ...waiting }
  await waitForBrokers(config, logger, signal)
  if (shared !== undefined) await ensureNewTopics(config, logger, config.profile)
  const needed = new Set<TopicRole>(roles)
  if (shared !== undefined) needed.add('settings')
  if (isTransactional) needed.add('starts')
  refuse(await checkTopics({ ...check, specs: TOPIC_SPECS.filter(({ role }) => needed.has(role)) }))
  refuse([
    ...(isTransactional ? await checkInternalTopics(check) : []),
    ...(shared === undefined ? [] : await compareSettings(config, waiting, service, shared)),
  ])
}

const refuse = (faults: readonly string[]): void => {
  if (faults.length > 0) throw new ConfigError(faults.join('\n'))
}
