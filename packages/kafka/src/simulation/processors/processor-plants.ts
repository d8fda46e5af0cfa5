import type { Task } from '../../processor/task.ts'
import type { TransactionClient } from '../../transactions/transaction-client.ts'
import type { TransactionView } from '../../transactions/transaction-view.ts'
import type { ModelBroker } from '../model/model-broker.ts'
import { encodeRecord } from '../model/model-record.ts'
import { ModelView } from '../model/model-view.ts'
import { FORGED_MARKERS } from '../owners/protocols.ts'
import type { Surroundings } from './processor-member.ts'
import { STARTS, STATE } from './simulated-task.ts'
import type { Plant } from './processor-schedule.ts'

/** Wraps the transaction clients that a process opens. */
const withClient =
  (change: (client: TransactionClient, broker: ModelBroker) => Partial<TransactionClient>): Plant =>
  (around, broker) => ({
    ...around,
    openClient: (...of) => {
      const client = around.openClient(...of)
      return {
        view: client.view,
        offsetsPlace: () => client.offsetsPlace(),
        connect: () => client.connect(),
        disconnect: () => client.disconnect(),
        adopt: (own) => client.adopt(own),
        begin: () => client.begin(),
        ...change(client, broker),
      }
    },
  })

/** The first version of the product, which also checked nothing after a commit. */
const oldFence = withClient((client) => {
  const { view: brokers } = client
  if (!(brokers instanceof ModelView)) throw new TypeError('not a client of the model')
  const view: TransactionView = {
    canLook: () => Promise.resolve(false),
    describe: () => client.view.describe(),
    open: (...of) => client.view.open(...of),
    init: async () => ({ outcome: 'given', ...(await FORGED_MARKERS.takeOver(brokers)) }),
    abortOngoing: (producerId) => client.view.abortOngoing(producerId),
    mark: (...of) => client.view.mark(...of),
    wait: (ms) => client.view.wait(ms),
  }
  return { view }
})

/** Uses the position of the state without comparing it with the group's offset. */
const uncompared: Plant = (around) => ({
  ...around,
  openTask: () => {
    const task = around.openTask()
    const unasked: Task = {
      restore: async (context) => {
        await task.restore(context)
        return new Map()
      },
      process: (batch) => task.process(batch),
      close: () => task.close(),
    }
    return unasked
  },
})

const absentIsBeginning: Plant = (around) => ({
  ...around,
  reads: {
    ...readsOf(around),
    committedOffsets: async (groupId, topics, partition) => {
      const found = await around.reads.committedOffsets(groupId, topics, partition)
      return new Map(topics.map((topic) => [topic, found.get(topic) ?? { offset: 0n, metadata: '' }]))
    },
  },
})

const notesSkipped: Plant = (around) => ({
  ...around,
  reads: {
    ...readsOf(around),
    logRange: async (topic, partition) => {
      const range = await around.reads.logRange(topic, partition)
      return topic === STARTS ? { start: range.end, end: range.end } : range
    },
  },
})

const unconfirmed: Plant = (around) => {
  const { membership } = around
  return {
    ...around,
    membership: {
      confirm: () => Promise.resolve(true),
      get isFresh() {
        return membership.isFresh
      },
    },
  }
}

const keptAfterRelease: Plant = (around) => {
  const all = new Set<number>()
  return {
    ...around,
    assign: (runners, partitions) => {
      for (const partition of partitions) all.add(partition)
      around.assign(runners, all)
    },
  }
}

const alwaysFresh: Plant = (around) => ({
  ...around,
  membership: { confirm: (...of) => around.membership.confirm(...of), isFresh: true },
})

const offsetsBeforeFence: Plant = (around, broker) => {
  let early: ReturnType<Surroundings['reads']['committedOffsets']> | undefined
  const opened = withClient((client) => ({
    connect: async () => {
      early = around.reads.committedOffsets('dedup', ['received'], 0)
      await early.catch(() => undefined)
      await client.connect()
    },
  }))(around, broker)
  return { ...opened, reads: { ...readsOf(around), committedOffsets: () => early! } }
}

const stateOutside = withClient((client, broker) => ({
  begin: async () => {
    const transaction = await client.begin()
    return {
      addPartitions: (places) => transaction.addPartitions(places),
      send: async (place, records) => {
        const isState = place.topic === STATE && records[0]!.key.toString() !== 'barrier'
        if (!isState) return transaction.send(place, records)
        const log = broker.log(`${place.topic}/${place.partition}`)
        const first = BigInt(log.end)
        for (const record of records) log.appendPlain(encodeRecord(record))
        return first
      },
      sendOffsets: (...of) => transaction.sendOffsets(...of),
      commit: () => transaction.commit(),
    }
  },
}))

const readsOf = ({ reads }: Surroundings): Surroundings['reads'] => ({
  clock: reads.clock,
  clusterId: () => reads.clusterId(),
  topicId: (topic) => reads.topicId(topic),
  logRange: (...of) => reads.logRange(...of),
  committedOffsets: (...of) => reads.committedOffsets(...of),
  fetch: (...of) => reads.fetch(...of),
  refresh: () => reads.refresh(),
})

/** Each defect must be found within `findsWithin` schedules, with a fault that matches `finds`. */
export const PROCESSOR_PLANTS: readonly {
  readonly name: string
  readonly plant: Plant
  readonly finds: RegExp
  readonly findsWithin: number
}[] = [
  {
    name: 'the fence of the first version',
    plant: oldFence,
    findsWithin: 1_000,
    finds: /is lost|is repeated|^keys/,
  },
  {
    name: 'state and offset are not compared',
    plant: uncompared,
    findsWithin: 1_000,
    finds: /is repeated|^position/,
  },
  {
    name: 'an absent offset is treated as a beginning',
    plant: absentIsBeginning,
    findsWithin: 1_000,
    finds: /is repeated/,
  },
  { name: 'notes of starts are not read', plant: notesSkipped, findsWithin: 1_000, finds: /is repeated/ },
  {
    name: 'a fence that the group has not confirmed',
    plant: unconfirmed,
    findsWithin: 200,
    finds: /the group has not confirmed it/,
  },
  {
    name: 'work that continues after the release',
    plant: keptAfterRelease,
    findsWithin: 1_000,
    finds: /^an effect of/,
  },
  {
    name: 'an ownership that counts as fresh without a check',
    plant: alwaysFresh,
    findsWithin: 1_000,
    finds: /^an effect of/,
  },
  {
    name: 'offsets that were read before the fence',
    plant: offsetsBeforeFence,
    findsWithin: 1_000,
    finds: /is parked without a reason|is repeated/,
  },
  {
    name: 'state that is written outside the transaction',
    plant: stateOutside,
    findsWithin: 1_000,
    finds: /is parked without a reason|^keys|is lost/,
  },
]
