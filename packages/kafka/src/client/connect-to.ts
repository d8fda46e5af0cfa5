import { kafkaErrorType } from './kafka-client.ts'
import { StateError } from './errors.ts'
import type { Cluster } from './kafkajs-internals.ts'
import type { KafkaLogger } from './settings.ts'
import { untilAvailable } from './until-available.ts'

/** Waits until the cluster is available. Rejects with a `StateError` when one of the topics does not exist. */
export const connectTo = (cluster: Cluster, topics: readonly string[], logger: KafkaLogger): Promise<void> =>
  untilAvailable(
    'connecting',
    async () => {
      try {
        await cluster.connect()
        await cluster.addMultipleTargetTopics(topics)
      } catch (error) {
        if (kafkaErrorType(error) !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error
        throw new StateError(`one of the topics ${topics.join(', ')} does not exist: create the topics first`)
      }
    },
    { logger },
  )
