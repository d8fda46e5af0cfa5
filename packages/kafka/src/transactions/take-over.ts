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
 * How an owner takes over a transactional id, and ends what brokers have left open.
 *
 * A coordinator of Kafka 4 leaves the marker of a partition out while that partition has no leader, and still calls the
 * transaction complete (seen with 4.3.1, whenever all replicas of a partition are killed). Readers then stand still
 * there, and the next marker of the same producer id decides about both transactions. So what is open has to be ended,
 * before anything is written, as its coordinator had decided; and what decides it must not be able to change meanwhile.
 *
 * Producer epochs carry the proof. Weir never aborts a transaction by itself, so that an epoch grows by one exactly
 * - when the coordinator aborts a transaction (`CompleteAbort`), and
 * - at each InitProducerId (`Empty`).
 * No transaction is ever begun in an epoch that an abort has made, or an InitProducerId that only shuts others out: it
 * is
 * *quiet*. In a quiet epoch all earlier owners are shut out, nothing can be opened any more, and what is open has one
 * meaning:
 * - `CompleteAbort` of epoch n: what is open of n-1 was aborted.
 * - Shut out from n-1 (`CompleteCommit` or `Empty`) to n: what is open of n-1 was committed, since an abort would have
 *   raised the epoch. What is open of n-2 was committed as well: n-1 was `Empty` at first. (Nobody shuts out from
 *   `Ongoing`: while an abort is being noted, a coordinator may show the new epoch and still that state.)
 * Anything else is unknown, and an operator decides. It needs two sleepers at once: see decision 30.
 *
 * Whoever shuts out notes with the new epoch, as the time-out of a transaction, which epoch it came from. So the next
 * one that finds the epoch knows what it means, however many die before all is ended, and need not raise it again.
 *
 * Markers carry the quiet epoch. The successor begins its transactions in a newer one, so that its data refuse a marker
 * that comes late. The epoch to work in must be the one after the quiet epoch, else somebody else was here in between,
 * and nothing seen before is of use. (An InitProducerId that expects an epoch proves less: Kafka 4.3.1 accepts the
 * epoch of a transaction that the coordinator has aborted meanwhile, and gives two callers the same answer.)
 */
export const takeOver = async (view: TransactionView, options: TakeOverOptions): Promise<ProducerEpoch> => {
  if (!(await view.canLook())) return plainFence(view, options)
  const quiet = await reachQuietEpoch(view)
  if (quiet !== undefined) await endOpen(view, quiet, options)
  const own = await nextEpoch(view, quiet)
  // The last epochs of a producer id are not worked in, so that nothing is open when the id changes.
  return own.epoch < EXHAUSTED_EPOCH - UNUSED_EPOCHS ? own : takeOver(view, options)
}

export interface TakeOverOptions {
  readonly transactionalId: string
  /** The operator's decision about what is unknown. */
  readonly decision?: Outcome
  readonly onEnded: (open: OpenTransaction, outcome: Outcome) => void
  readonly onUnguarded: () => void
}

/** From this epoch on InitProducerId gives a new producer id, with epoch 0 (`isProducerEpochExhausted` in Kafka). */
const EXHAUSTED_EPOCH = 32_766
/**
 * More than one: a successor that shuts out from the last epoch but one, while another has just done so, changes the
 * id, and nobody finds any more what the other was about to end.
 */
const UNUSED_EPOCHS = 64
const LOOK_MS = 100
const MARKS = 500
const SHUT_OUT_MS_MIN = 9_000

/** An epoch that no transaction was or will be begun in, and what it says about transactions of earlier ones. */
export interface QuietEpoch extends ProducerEpoch {
  readonly outcomeOf: (epoch: number) => Outcome | undefined
}

const anotherOwner = () => new TransactionError('taking over: another owner has come meanwhile')

/** Shuts out every earlier owner, and can be repeated without end. undefined: the id is new. */
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
    const answer = await view.init(shutOutTimeoutMs(last.epoch))
    if (answer.outcome === 'busy') {
      await view.wait(LOOK_MS)
      continue
    }
    if (!follows(answer, last)) throw anotherOwner()
    return shutOut(answer)
  }
}

/**
 * Names the epoch from which others were shut out in the part of the time-out below a second; the time-outs of owners
 * are whole seconds. The coordinator waits for its replicas no longer than this time-out, so a few milliseconds would
 * make it refuse the request for as long as replication takes longer.
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
  // Not worked in; and from here on InitProducerId changes the producer id.
  return {
    producerId,
    epoch,
    outcomeOf: (of) => (of === (state === 'Empty' ? epoch - 1 : epoch) ? 'commit' : undefined),
  }
}

/** An epoch to work in. Busy: the coordinator still writes down what it was told before, or another owner works. */
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

/** Ends what is open of earlier epochs; resolves when nothing is. */
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

/** `own` is the epoch after `before`, and so nobody was given one in between. */
const follows = (own: ProducerEpoch, before: ProducerEpoch | undefined): boolean => {
  if (before === undefined) return own.epoch === 0
  if (own.producerId === before.producerId) return own.epoch === before.epoch + 1
  return before.epoch >= EXHAUSTED_EPOCH && own.epoch === 0
}

/** All that old brokers can do: earlier owners are shut out, but what is open stays open. */
const plainFence = async (
  view: TransactionView,
  { onUnguarded }: TakeOverOptions,
): Promise<ProducerEpoch> => {
  onUnguarded()
  for (;;) {
    const answer = await view.init()
    if (answer.outcome === 'given') return answer
    await view.wait(LOOK_MS)
  }
}

const COMMIT_LOOK_MS = 2
const COMMIT_LOOK_MS_MAX = 100

/**
 * To be awaited between the acknowledgement of a commit and the begin of the next transaction: whatever is open of a
 * producer id then belongs to its last transaction. Rejects with a `TransactionError` where the brokers have left the
 * transaction open, or another has become the owner.
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
