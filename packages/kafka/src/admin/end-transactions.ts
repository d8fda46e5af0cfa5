import { BrokerView } from '../transactions/broker-view.ts'
import { kafkaCluster } from '../client/kafka-client.ts'
import { StateError } from '../client/errors.ts'
import { disconnectNow } from '../client/kafkajs-internals.ts'
import type { KafkaSettings } from '../client/settings.ts'
import { silentLogger } from '../client/silent-logger.ts'
import { endOpen, reachQuietEpoch } from '../transactions/take-over.ts'
import type { OpenTransaction, Outcome } from '../transactions/transaction-view.ts'

/**
 * Ends the open transactions of a transactional id for an operator: with the recorded outcome where it is known,
 * otherwise with `decision`. Fences a running owner, which then restarts its partition. Resolves to the transactions
 * that it ended.
 */
export const endTransactions = async (options: {
  readonly settings: KafkaSettings
  /** `<prefix><service>-<partition>` */
  readonly transactionalId: string
  readonly decision: Outcome
  /** Topics that the id may write to (full names). */
  readonly topics: readonly string[]
}): Promise<readonly { readonly open: OpenTransaction; readonly outcome: Outcome }[]> => {
  const { settings, transactionalId, decision, topics } = options
  const [, groupId, partition] = /^(.+)-(\d+)$/.exec(transactionalId) ?? []
  if (groupId === undefined) {
    throw new StateError(
      `${transactionalId} is not a transactional id of Weir. Give <service>-<partition>, for example dedup-3, after the topic prefix if one is set.`,
    )
  }
  const cluster = kafkaCluster({ settings, logger: silentLogger, clientId: 'weir-transactions' })
  try {
    await cluster.connect()
    const view = new BrokerView({
      cluster,
      transactionalId,
      logger: silentLogger,
      transactionTimeoutMs: settings.transactionTimeoutMs,
      places: { partition: Number(partition), own: [], shared: topics, groupId },
    })
    if (!(await view.canLook()))
      throw new StateError(
        'The brokers are older than 3.0 and cannot list open transactions. Upgrade them first.',
      )
    const quiet = await reachQuietEpoch(view)
    if (quiet === undefined) throw new StateError(`The brokers do not know ${transactionalId}.`)
    const ended: { readonly open: OpenTransaction; readonly outcome: Outcome }[] = []
    const onEnded = (open: OpenTransaction, outcome: Outcome) => void ended.push({ open, outcome })
    await endOpen(view, quiet, { transactionalId, decision, onEnded, onUnguarded: () => undefined })
    return ended
  } finally {
    await disconnectNow(cluster)
  }
}
