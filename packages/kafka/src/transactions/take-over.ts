import { StateError, TransactionError } from '../client/errors.ts'
import type {
  LastTransaction,
  OpenTransaction,
  Outcome,
  ProducerEpoch,
  TopicPartition,
  TransactionView,
} from './transaction-view.ts'

/**
 * How an owner takes over a transactional id and ends the transactions that brokers left open.
 *
 * A coordinator of Kafka 4 omits the marker of a partition that has no leader and still reports the transaction as
 * complete (observed with 4.3.1 when all replicas of a partition are killed). Readers of that partition then block, and
 * the next marker of the same producer id decides about both transactions. So an open transaction must be ended with
 * the outcome that its coordinator decided, before anything else is written, and from evidence that cannot change
 * meanwhile.
 *
 * Producer epochs provide the evidence. Weir never aborts a transaction itself, so an epoch grows by one exactly
 * - when the coordinator aborts a transaction (`CompleteAbort`), and
 * - at each InitProducerId (`Empty`).
 * An epoch is *quiet* if no transaction ever begins in it: an abort created it, or an InitProducerId that only shuts
 * out earlier owners. In a quiet epoch all earlier owners are shut out, no transaction can begin, and every open
 * transaction has one meaning:
 * - After `CompleteAbort` in epoch n, an open transaction of epoch n-1 was aborted.
 * - After a shut-out from epoch n-1 (`CompleteCommit` or `Empty`) to n, an open transaction of n-1 was committed,
 *   because an abort would have raised the epoch. One of n-2 was committed too, because n-1 was `Empty` at first. (No
 *   owner shuts out others from `Ongoing`: while the coordinator records an abort, it may report the new epoch with
 *   that state.)
 * In any other case the outcome is unknown and an operator decides. That requires two suspended owners at once: see
 * decision 30.
 *
 * An owner that shuts out others stores the epoch that it came from in the transaction timeout of the new epoch. So the
 * next owner knows what that epoch means, even if several owners die before all transactions are ended, and need not
 * raise it again.
 *
 * Markers carry the quiet epoch. The new owner begins its transactions in a later epoch, so its data reject a late
 * marker. The working epoch must directly follow the quiet epoch. Otherwise another owner came in between, and the
 * evidence read before is invalid. (An InitProducerId with an expected epoch proves less: Kafka 4.3.1 accepts the epoch
 */
export const takeOver = async (view: TransactionView, options: TakeOverOptions): Promise<ProducerEpoch> => {
  if (!(await view.canLook())) return plainFence(view, options)
  const quiet = await reachQuietEpoch(view)
  if (quiet !== undefined) await endOpen(view, quiet, options)
  const own = await nextEpoch(view, quiet)
  // Skips the last epochs of a producer id, so that no transaction is open when the id changes.
  return own.epoch < EXHAUSTED_EPOCH - UNUSED_EPOCHS ? own : takeOver(view, options)
}

export interface TakeOverOptions {
  readonly transactionalId: string
  /** The operator's decision for transactions of unknown outcome. */
  readonly decision?: Outcome
  readonly onEnded: (open: OpenTransaction, outcome: Outcome) => void
  readonly onUnguarded: () => void
}

/** From this epoch on, InitProducerId returns a new producer id with epoch 0 (`isProducerEpochExhausted` in Kafka). */
const EXHAUSTED_EPOCH = 32_766
/**
 * Must be more than one. If two owners shut out others at the last epoch but one, the second changes the producer id,
 * and open transactions of the old id are never found again.
 */
const UNUSED_EPOCHS = 64
const LOOK_MS = 100
const MARKS = 500
const SHUT_OUT_MS_MIN = 9_000

/** An epoch in which no transaction begins, and the outcome of open transactions of earlier epochs. */
export interface QuietEpoch extends ProducerEpoch {
  readonly outcomeOf: (epoch: number) => Outcome | undefined
}

const anotherOwner = () => new TransactionError('taking over: another owner has come meanwhile')

/** Shuts out every earlier owner. Idempotent. Undefined when the id is new. */
export const reachQuietEpoch = async (view: TransactionView): Promise<QuietEpoch | undefined> => {
  for (;;) {
    const last = await view.describe()
    if (last === undefined) return undefined
    const quiet = quietEpochOf(last)
    if (quiet !== undefined) return quiet
    if (last.state === 'Ongoing') await view.abortOngoing(last.producerId)
    if (last.state === 'Ongoing' || isBeingDecided(last)) {
      await view.wait(LOOK_MS)
      continue
    }
    const response = await view.init(shutOutTimeoutMs(last.epoch))
    if (response.outcome === 'busy') {
      await view.wait(LOOK_MS)
      continue
    }
    if (!follows(response, last)) throw anotherOwner()
    return shutOut(response)
  }
}

/**
 * Encodes the epoch from which others were shut out in the milliseconds of the timeout; the timeouts of working owners
 * are whole seconds. The coordinator waits for its replicas at most this long, so a timeout of a few milliseconds would
 * make it reject the request whenever replication takes longer.
 */
const shutOutTimeoutMs = (fromEpoch: number): number => SHUT_OUT_MS_MIN + 1 + (fromEpoch % MARKS)

const isShutOutFrom = (fromEpoch: number, timeoutMs: number): boolean =>
  fromEpoch >= 0 && timeoutMs % 1_000 === 1 + (fromEpoch % MARKS)

const isBeingDecided = ({ state }: LastTransaction): boolean =>
  state.startsWith('Prepare') || state === 'Dead'

const shutOut = ({ producerId, epoch }: ProducerEpoch): QuietEpoch => ({
  producerId,
  epoch,
  outcomeOf: (of) => (of === epoch - 1 || of === epoch - 2 ? 'commit' : undefined),
})

const quietEpochOf = (last: LastTransaction): QuietEpoch | undefined => {
  const { producerId, epoch, state } = last
  if (state === 'CompleteAbort') {
    return { producerId, epoch, outcomeOf: (of) => (of === epoch - 1 ? 'abort' : undefined) }
  }
  if (state === 'Empty' && (epoch < 0 || isShutOutFrom(epoch - 1, last.timeoutMs))) return shutOut(last)
  if (epoch < EXHAUSTED_EPOCH || isBeingDecided(last) || state === 'Ongoing') return undefined
  // No owner works in this epoch, and the next InitProducerId changes the producer id.
  return {
    producerId,
    epoch,
    outcomeOf: (of) => (of === (state === 'Empty' ? epoch - 1 : epoch) ? 'commit' : undefined),
  }
}

/**
 * Requests a working epoch. Waits while the coordinator is busy: it is still recording an earlier outcome, or another
 * owner works.
 */
const nextEpoch = async (view: TransactionView, quiet: QuietEpoch | undefined): Promise<ProducerEpoch> => {
  for (;;) {
    const own = await view.init()
    if (own.outcome === 'given') {
      if (follows(own, quiet)) return own
      throw anotherOwner()
    }
    await view.wait(LOOK_MS)
    const last = await view.describe()
    const isAsBefore =
      last === undefined
        ? quiet === undefined
        : last.producerId === quiet?.producerId &&
          last.epoch === quiet.epoch &&
          quietEpochOf(last) !== undefined
    if (!isAsBefore) throw anotherOwner()
  }
}

/** Ends the open transactions of earlier epochs. Resolves when none is open. */
export const endOpen = async (
  view: TransactionView,
  quiet: QuietEpoch,
  options: TakeOverOptions,
): Promise<void> => {
  for (;;) {
    const open = await view.open(quiet.producerId)
    if (open.length === 0) return
    if (open.some(({ epoch }) => epoch > quiet.epoch)) throw anotherOwner()
    const unknown = open.filter(({ epoch }) => quiet.outcomeOf(epoch) === undefined)
    if (unknown.length > 0 && options.decision === undefined) throw unknownOutcome(unknown, quiet, options)
    for (const one of open) {
      const outcome = quiet.outcomeOf(one.epoch) ?? options.decision!
      if ((await view.mark(one, quiet, outcome)) === 'refused') throw anotherOwner()
      options.onEnded(one, outcome)
    }
  }
}

const unknownOutcome = (
  unknown: readonly OpenTransaction[],
  { producerId, epoch }: QuietEpoch,
  { transactionalId }: TakeOverOptions,
): StateError => {
  const where = unknown.map(
    ({ topic, partition, from, epoch: of }) => `${topic}/${partition} from offset ${from} (epoch ${of})`,
  )
  return new StateError(
    `transactions of ${transactionalId} were never ended on ${where.join(', ')}. Whether they were committed or aborted ` +
      `cannot be told: producer ${producerId} is at epoch ${epoch} now. Look at the records there, then: ` +
      `weir transactions end ${transactionalId} --as <commit|abort>`,
  )
}

/** True when `own` directly follows `before`, so no other owner received an epoch in between. */
const follows = (own: ProducerEpoch, before: ProducerEpoch | undefined): boolean => {
  if (before === undefined) return own.epoch === 0
  if (own.producerId === before.producerId) return own.epoch === before.epoch + 1
  return before.epoch >= EXHAUSTED_EPOCH && own.epoch === 0
}

/** The fence for brokers before 3.0: earlier owners are shut out, but open transactions stay open. */
const plainFence = async (
  view: TransactionView,
  { onUnguarded }: TakeOverOptions,
): Promise<ProducerEpoch> => {
  onUnguarded()
  for (;;) {
    const response = await view.init()
    if (response.outcome === 'given') return response
    await view.wait(LOOK_MS)
  }
}

const COMMIT_LOOK_MS = 2
const COMMIT_LOOK_MS_MAX = 100

/**
 * Await this between the acknowledgement of a commit and the next transaction, so that any open transaction of the
 * producer id is its last one. Rejects with a `TransactionError` when brokers left the transaction open or another
 * owner has taken over.
 */
export const committedEverywhere = async (
  view: TransactionView,
  own: ProducerEpoch,
  written: readonly TopicPartition[],
): Promise<void> => {
  for (let waitMs = COMMIT_LOOK_MS; ; waitMs = Math.min(COMMIT_LOOK_MS_MAX, 2 * waitMs)) {
    const last = await view.describe()
    if (last?.producerId !== own.producerId || last.epoch !== own.epoch) {
      throw new TransactionError('after the commit: another owner has come')
    }
    if (last.state === 'CompleteCommit') break
    if (last.state !== 'PrepareCommit') throw new TransactionError(`after the commit: ${last.state}`)
    await view.wait(waitMs)
  }
  const [open] = await view.open(own.producerId, written)
  if (open === undefined) return
  throw new TransactionError(
    `the brokers have left a committed transaction open on ${open.topic}/${open.partition}`,
  )
}
