import { RetriableError, TransactionError } from '../../client/errors.ts'
import { committedEverywhere, takeOver } from '../../transactions/take-over.ts'
import type { OpenTransaction, Outcome, ProducerEpoch } from '../../transactions/transaction-view.ts'
import type { ModelView } from '../model/model-view.ts'
import type { Protocol } from './owner-actor.ts'
import type { OwnerFaults } from './owner-schedule.ts'

const LOOK_MS = 200
const OPTIONS = { transactionalId: 'dedup-0', onEnded: () => undefined, onUnguarded: () => undefined }

/** The protocol of the product. */
export const PRODUCT: Protocol = { takeOver: (view) => takeOver(view, OPTIONS), committedEverywhere }

/** Requests an epoch until the coordinator is ending no transaction, like kafkajs. */
const fence = async (view: ModelView): Promise<ProducerEpoch> => {
  for (;;) {
    const response = await view.init()
    if (response.outcome === 'given') return response
    await view.wait(LOOK_MS)
  }
}

/** Ends open transactions with the epoch that the partition has, whoever owns it. */
const endAs = async (view: ModelView, producerId: string, outcome: Outcome): Promise<void> => {
  for (const open of await view.open(producerId)) {
    const response = await view.mark(open, { producerId, epoch: open.epoch }, outcome)
    if (response === 'refused') throw new RetriableError('ending a transaction: refused')
  }
}

/** Waits while the coordinator is ending a transaction. */
const lastDecision = async (view: ModelView) => {
  for (;;) {
    const last = await view.describe()
    if (last?.state.startsWith('Prepare') !== true) return last
    await view.wait(LOOK_MS)
  }
}

/**
 * The first version of the product. It ended open transactions before the fence as the coordinator reported, and after
 * the fence as aborted, each from an observation, with the epoch that it found.
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
 * The naive fix: no marker before the fence, and markers with the own epoch. A transaction counts as committed if it
 * was open before and after the fence while the coordinator twice reported a commit; all others are aborted. A kill
 * between the fence and the marker loses that knowledge.
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
 * Uses a compare-and-swap as the proof that nothing was aborted in between. But Kafka 4 accepts the epoch of a
 * transaction that its coordinator has aborted meanwhile, and treats the swap as a repeat.
 */
const SWAPPED: Protocol = {
  takeOver: async (view) => {
    const last = await lastDecision(view)
    if (last === undefined) return fence(view)
    let quiet: ProducerEpoch = last
    if (last.state !== 'CompleteAbort' && !(last.state === 'Empty' && last.isShutOut)) {
      const response = await view.swap(last)
      if (response.outcome !== 'given')
        throw new TransactionError('another owner, or one that is being aborted')
      quiet = response
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
  /** Maximum number of random schedules until it is found. */
  readonly findsWithin: number
  /** Faults of a small scenario in which a search over all orders finds it. */
  readonly foundBySearch: Partial<OwnerFaults>
}

/** Every planted defect must be found. */
export const PLANTED: readonly Planted[] = [
  {
    name: 'markers based on observations that a live owner makes obsolete',
    protocol: FORGED_MARKERS,
    findsWithin: 1_000,
    foundBySearch: { successors: 1, omissions: 1 },
  },
  {
    name: 'a decision that is kept only in memory',
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
    name: 'a transaction begins before the previous one has ended everywhere',
    protocol: UNCHECKED,
    findsWithin: 1_000,
    foundBySearch: { omissions: 1 },
  },
]
