import kafkajs from 'kafkajs'
import { onTestFinished } from 'vitest'
import { kafkaCluster } from '../client/kafka-client.ts'
import { disconnectNow } from '../client/kafkajs-internals.ts'
import type { KafkaSettings } from '../client/settings.ts'
import { silentLogger } from '../client/silent-logger.ts'
import { untilAvailable } from '../client/until-available.ts'
import type { BrokerUnderTest } from '../simulation/conformance/conformance.ts'
import { realBroker } from '../simulation/conformance/real-broker.ts'
import { withAdmin } from './topics.ts'

/**
 * Makes brokers behave like versions before 3.6, in which a record can open a transaction that the coordinator does not
 * know.
 */
export const dropVerification = async (settings: KafkaSettings): Promise<void> => {
  const configEntries = [{ name: 'transaction.partition.verification.enable', value: 'false' }]
  await withAdmin(settings, async (admin) => {
    const { brokers } = await admin.describeCluster()
    const type = kafkajs.ConfigResourceTypes.BROKER
    const resources = brokers.map(({ nodeId }) => ({ type, name: String(nodeId), configEntries }))
    await admin.alterConfigs({ validateOnly: false, resources })
  })
}

/** A transactional id on the only broker, with its own requests. Closed when the test ends. */
export const transactionsOn = async (
  settings: KafkaSettings,
  id: { readonly transactionalId: string; readonly groupId: string; readonly topic: string },
): Promise<BrokerUnderTest> => {
  const cluster = kafkaCluster({ settings, logger: silentLogger, clientId: 'weir-test' })
  await cluster.connect()
  onTestFinished(() => disconnectNow(cluster))
  await cluster.addMultipleTargetTopics([id.topic])
  const find = (options: Parameters<typeof cluster.findGroupCoordinator>[0]) =>
    untilAvailable('finding a coordinator', () => cluster.findGroupCoordinator(options), {
      logger: silentLogger,
    })
  await find({ groupId: id.groupId })
  const broker = await find({ groupId: id.transactionalId, coordinatorType: 1 })
  return realBroker({ ...id, broker, partitions: settings.topicPartitions, offsetsPartitions: 8 })
}
