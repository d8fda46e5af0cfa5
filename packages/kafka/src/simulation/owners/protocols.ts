import { RetriableError, TransactionError } from '../../client/errors.ts'
import { committedEverywhere, takeOver } from '../../transactions/take-over.ts'
import type { OpenTransaction, Outcome, ProducerEpoch } from '../../transactions/transaction-view.ts'
import type { ModelView } from '../model/model-view.ts'
import type { Protocol } from './owner-actor.ts'
import type { OwnerFaults } from './owner-schedule.ts'

const LOOK_MS = 200
const OPTIONS = { transactionalId: 'dedup-0', onEnded: () => undefined, onUnguarded: () => undefined }

/** What the product does. */
export const PRODUCT: Protocol = { takeOver: (view) => takeOver(view, OPTIONS), committedEverywhere }

/** Asks for an epoch until no transaction is being ended, as kafkajs does. */
const fence = async (view: ModelView): Promise<ProducerEpoch> => {
  for (;;) {
    const answer = await view.init()
    if (answer.outcome === 'given') return answer
    await view.wait(LOOK_MS)
  }
}

/** With the epoch that the partition has: whoever's it is. */
const endAs = async (view: ModelView, producerId: string, outcome: Outcome): Promise<void> => {
  for (const open of await view.open(producerId)) {
    const answer = await view.mark(open, { producerId, epoch: open.epoch }, outcome)
    if (answer === 'refused') throw new RetriableError('ending a transaction: refused')
  }
}

/** Waits for a decision that is under way. */
const lastDecision = async (view: ModelView) => {
  for (;;) {
    const last = await view.describe()
    if (last?.state.startsWith('Prepare') !== true) return last
    await view.wait(LOOK_MS)
  }
}

/**
 * What the product did at first: before the fence it ended what was open as the coordinator said, after the fence as
 * aborted, each from what it had seen, with the epoch that it found.
 */
export const FORGED_MARKERS: Protocol = {
  takeOver: async (view) => {
    const last = await lastDecision(view)
    if (last?.state === 'CompleteCommit') await endAs(view, last.producerId, 'commit')
    if (last?.state === 'CompleteAbort') await endAs(view, last.producerId, 'abort')
    const own = await fence(view)
    await endAs(view, own.producerId, 'abort')
    return own
  },
  committedEverywhere: () => Promise.resolve(),
}

const isSame = (a: OpenTransaction, b: OpenTransaction): boolean =>
  a.topic === b.topic && a.partition === b.partition && a.from === b.from

/**
 * The naive remedy: no marker before the fence, and with the own epoch; committed is what was open before and after the
 * fence while the coordinator twice said committed, all else is aborted. A kill between fence and marker forgets it.
 */
const FORGETFUL: Protocol = {
  takeOver: async (view) => {
    const last = await lastDecision(view)
    const before = last === undefined ? [] : await view.open(last.producerId)
    const again = await view.describe()
    const isCommitted =
      last?.state === 'CompleteCommit' && again?.state === last.state && again.epoch === last.epoch
    const own = await fence(view)
    for (const open of await view.open(own.producerId)) {
      const outcome = isCommitted && before.some((one) => isSame(one, open)) ? 'commit' : 'abort'
      if ((await view.mark(open, own, outcome)) === 'refused') throw new TransactionError('another owner')
    }
    return own
  },
  committedEverywhere,
}

/**
 * A compare-and-swap as the proof that nothing was aborted in between: Kafka 4 accepts the epoch of a transaction that
 * its coordinator has aborted meanwhile, and takes the swap for a repeated one.
 */
const SWAPPED: Protocol = {
  takeOver: async (view) => {
    const last = await lastDecision(view)
    if (last === undefined) return fence(view)
    let quiet: ProducerEpoch = last
    if (last.state !== 'CompleteAbort' && !(last.state === 'Empty' && last.isShutOut)) {
      const answer = await view.swap(last)
      if (answer.outcome !== 'given')
        throw new TransactionError('another owner, or one that is being aborted')
      quiet = answer
    }
    const outcome = last.state === 'CompleteAbort' ? 'abort' : 'commit'
    for (const open of await view.open(last.producerId)) {
      if ((await view.mark(open, quiet, outcome)) === 'refused') throw new TransactionError('another owner')
    }
    const own = await view.init()
    if (own.outcome !== 'given' || own.epoch !== quiet.epoch + 1) throw new TransactionError('another owner')
    return own
  },
  committedEverywhere,
}

const UNCHECKED: Protocol = { ...PRODUCT, committedEverywhere: () => Promise.resolve() }

export interface Planted {
  readonly name: string
  readonly protocol: Protocol
  /** Random schedules that find it, at most. */
  readonly findsWithin: number
  /** Faults of a small scenario whose search over all orders finds it. */
  readonly foundBySearch: Partial<OwnerFaults>
}

/** Each must be found. */
export const PLANTED: readonly Planted[] = [
  {
    name: 'markers from observations that a live owner overtakes',
    protocol: FORGED_MARKERS,
    findsWithin: 1_000,
    foundBySearch: { successors: 1, omissions: 1 },
  },
  {
    name: 'a decision that is remembered in memory alone',
    protocol: FORGETFUL,
    findsWithin: 2_000,
    foundBySearch: { successors: 1, kills: 1, omissions: 1 },
  },
  {
    name: 'a swap that also succeeds after an abort',
    protocol: SWAPPED,
    findsWithin: 6_000,
    foundBySearch: { successors: 1, omissions: 1 },
  },
  {
    name: 'a transaction is begun before the one before it has ended everywhere',
    protocol: UNCHECKED,
    findsWithin: 1_000,
    foundBySearch: { omissions: 1 },
  },
]
