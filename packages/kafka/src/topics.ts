import type { TopicSpec } from '@weir/contracts'
import type { KafkaLogger, KafkaSettings } from './settings.ts'

export interface TopicsOptions {
  readonly settings: KafkaSettings
  readonly logger: KafkaLogger
  readonly specs: readonly TopicSpec[]
  readonly replicationFactor: number
  readonly minInsyncReplicas: number
}

/** Creates what is missing; what exists is left as it is and then checked. */
export declare const ensureTopics: (options: TopicsOptions) => Promise<void>

/**
 * Each way in which the cluster's topics differ from what Weir needs, as a message with the topic, the value and the fix:
 * missing, partition counts that differ, a delete policy or a finite retention on a compacted topic, CreateTime,
 * and, outside the dev profile, replication factor < 3 or min.insync.replicas < 2, unclean leader election.
 */
export declare const checkTopics: (options: {
  readonly settings: KafkaSettings
  readonly profile: 'production' | 'dev'
  readonly specs: readonly TopicSpec[]
}) => Promise<readonly string[]>

/** Resolves once a broker answers; logs a line every 10 s until then; rejects when the signal is aborted. */
export declare const waitForBrokers: (
  settings: KafkaSettings,
  logger: KafkaLogger,
  signal?: AbortSignal,
) => Promise<void>
