import type { Answer, BrokerUnderTest, Given } from './conformance.ts'
import { ModelBroker, OFFSETS } from '../model/model-broker.ts'
import { BrokerError } from '../model/model-log.ts'

const GROUP = 'group'
const ID = 'id'
const TOPIC = 'out'
const COORDINATOR_EPOCH = 0

/** Exposes the model through the same requests as real brokers. */
export const modelUnderTest = (partitions: number): BrokerUnderTest => {
  let now = 0
  const names = Array.from({ length: partitions }, (_, partition) => `${TOPIC}/${partition}`)
  const model = new ModelBroker({ rule: 'remembers-epoch', partitions: names, now: () => now })
  const producer = ({ producerId, epoch }: Given) => ({ transactionalId: ID, producerId, epoch })
  const finish = (): void => {
    const transaction = model.transactions.get(ID)
    if (transaction?.isFencing === true) transaction.noteFence()
    for (const name of transaction?.unmarked ?? []) model.mark(ID, name)
    if (transaction?.isEnding === true) transaction.complete()
  }
  const producersOf = (name: string) =>
    model.describeProducers(name).map(({ epoch, openFrom }) => ({ epoch, isOpen: openFrom !== undefined }))
  return {
    init: async (timeoutMs, expected) => answer(() => model.initProducerId(ID, timeoutMs, expected)),
    add: async (own, partition) => done(() => model.addPartitions(producer(own), [names[partition]!])),
    addOffsets: async (own) => done(() => model.addPartitions(producer(own), [OFFSETS])),
    produce: async (own, partition, value) =>
      answer(() => model.produce(producer(own), names[partition]!, [value])),
    commitOffsets: async (own, offset) =>
      done(() => model.commitOffsets(producer(own), GROUP, { [`${TOPIC}/0`]: { offset, metadata: '' } })),
    end: async (own, outcome) => done(() => model.endTransaction(producer(own), outcome)),
    marker: async (own, partition, outcome) =>
      done(() =>
        model.writeMarker(names[partition]!, { ...own, coordinatorEpoch: COORDINATOR_EPOCH, outcome }),
      ),
    rest: async (isTimedOut) => {
      finish()
      const transaction = model.transactions.get(ID)
      if (!isTimedOut || transaction?.timesOutAt === undefined) return
      now = transaction.timesOutAt + 1
      transaction.abortTimedOut()
      finish()
    },
    observe: async () => ({
      transaction: transactionOf(model),
      partitions: names.map((name) => ({
        producers: producersOf(name),
        ends: [model.log(name).end, model.log(name).lastStableOffset],
        readable: model
          .log(name)
          .visible()
          .map(({ value }) => value),
      })),
      offsets: producersOf(OFFSETS),
      committed: model.committedOffset(GROUP, `${TOPIC}/0`)?.offset ?? -1,
    }),
  }
}

const transactionOf = (model: ModelBroker): object => {
  const found = answer(() => model.describeTransaction(ID))
  if ('error' in found) return { state: found.error, epoch: -1 }
  return { state: found.value.state, epoch: found.value.epoch }
}

const answer = <T>(run: () => T): Answer<T> => {
  try {
    return { value: run() }
  } catch (error) {
    if (error instanceof BrokerError) return { error: error.type }
    throw error
  }
}

/** For requests without a result. */
const done = (run: () => void): Answer =>
  answer(() => {
    run()
    return undefined
  })
