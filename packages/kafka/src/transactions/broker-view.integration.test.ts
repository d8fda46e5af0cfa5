import { isolatedKafka } from '@weir/testkit'
import type { Producer, Transaction } from 'kafkajs'
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { BrokerView } from './broker-view.ts'
import { kafkaClient, kafkaErrorType } from '../client/kafka-client.ts'
import { adoptEpoch, clusterOf } from '../client/kafkajs-internals.ts'
import { silentLogger } from '../client/silent-logger.ts'
import { createTopics } from '../testing/topics.ts'
import type { InitResponse, ProducerEpoch } from './transaction-view.ts'
import { explicitPartition } from '../produce/kafkajs-message.ts'

/** The behaviour of real brokers on which `takeOver` relies. */
const settings = isolatedKafka('view')
const PATIENCE = { timeout: 20_000, interval: 50 }
let topic = ''
let ids = 0

beforeAll(async () => {
  ;[topic] = (await createTopics(settings, ['out'])) as [string]
})

interface Opened {
  readonly view: BrokerView
  readonly producer: Producer
  readonly groupId: string
}

/** `id`: a transactional id that another client has opened. */
const openView = async (id = `${settings.topicPrefix}t-${ids++}`, transactionTimeoutMs = 10_000) => {
  const producer = kafkaClient({ settings, logger: silentLogger, clientId: 'weir-test' }).producer({
    transactionalId: id,
    transactionTimeout: transactionTimeoutMs,
    createPartitioner: () => explicitPartition,
  })
  await producer.connect()
  onTestFinished(() => producer.disconnect())
  const groupId = `${id}-group`
  const view = new BrokerView({
    cluster: clusterOf(producer),
    transactionalId: id,
    transactionTimeoutMs,
    logger: silentLogger,
    places: { partition: 0, own: [topic], shared: [], groupId },
  })
  return { id, view, producer, groupId }
}

const given = (answer: InitResponse): ProducerEpoch => {
  if (answer.outcome !== 'given') throw new Error(answer.outcome)
  return answer
}

const take = async ({ view, producer }: Opened): Promise<ProducerEpoch> => {
  const own = given(await view.init())
  adoptEpoch(producer, own)
  return own
}

const send = async (transaction: Transaction, value = 'v', partition = 0): Promise<void> => {
  await transaction.send({ topic, acks: -1, messages: [{ key: 'k', value, partition }] })
}

const until = (view: BrokerView, state: string) =>
  vi.waitFor(async () => {
    const last = await view.describe()
    expect(last?.state).toBe(state)
    return last!
  }, PATIENCE)

const committed = async (opened: Opened): Promise<ProducerEpoch> => {
  const own = await take(opened)
  const transaction = await opened.producer.transaction()
  await send(transaction)
  await transaction.commit()
  await until(opened.view, 'CompleteCommit')
  return own
}

describe('InitProducerId', () => {
  it('gives every caller a new epoch, and the id is unknown before', async () => {
    const { view } = await openView()
    expect(await view.canLook()).toBe(true)
    expect(await view.describe()).toBeUndefined()
    const first = given(await view.init())
    expect(first.epoch).toBe(0)
    expect(await view.describe()).toMatchObject({ producerId: first.producerId, epoch: 0, state: 'Empty' })
    expect(await view.init()).toEqual({ ...first, epoch: 1 })
  })

  it('stores the timeout with the epoch and keeps it until the next epoch', async () => {
    const opened = await openView()
    const own = await committed(opened)
    expect(await opened.view.describe()).toMatchObject({ epoch: own.epoch, timeoutMs: 10_000 })
    expect(given(await opened.view.init(1)).epoch).toBe(own.epoch + 1)
    expect(await opened.view.describe()).toMatchObject({ state: 'Empty', epoch: own.epoch + 1, timeoutMs: 1 })
  })

  it('shuts out the owner of an earlier epoch', async () => {
    const opened = await openView()
    await committed(opened)
    await opened.view.init(1)
    const transaction = await opened.producer.transaction()
    await expect(send(transaction)).rejects.toSatisfy(
      (error) => kafkaErrorType(error) === 'INVALID_PRODUCER_EPOCH',
    )
  })

  it('makes the coordinator abort an ongoing transaction, in an epoch that no owner receives', async () => {
    const opened = await openView()
    const own = await take(opened)
    await send(await opened.producer.transaction())
    const other = await openView(opened.id)
    await other.view.abortOngoing(own.producerId)
    const last = await until(other.view, 'CompleteAbort')
    expect(last.epoch).toBe(own.epoch + 1)
    expect(given(await other.view.init()).epoch).toBe(own.epoch + 2)
  })

  it('aborts only an ongoing transaction, and has no effect otherwise', async () => {
    const opened = await openView()
    const own = await committed(opened)
    await opened.view.abortOngoing(own.producerId)
    expect(await opened.view.describe()).toMatchObject({ state: 'CompleteCommit', epoch: own.epoch })
    await opened.view.init(1)
    await opened.view.abortOngoing(own.producerId)
    expect(await opened.view.describe()).toMatchObject({ state: 'Empty', epoch: own.epoch + 1, timeoutMs: 1 })
  })

  it('finds a raised epoch after a timeout', async () => {
    const opened = await openView(undefined, 1_000)
    const own = await take(opened)
    await send(await opened.producer.transaction())
    const last = await until(opened.view, 'CompleteAbort')
    expect(last.epoch).toBe(own.epoch + 1)
  })
})

describe('open transactions', () => {
  it('are found with their epoch and first offset, on outputs and on the offsets of the group', async () => {
    const opened = await openView()
    const { view, producer, groupId } = opened
    const own = await take(opened)
    expect(await view.open(own.producerId)).toEqual([])
    const transaction = await producer.transaction()
    await send(transaction)
    await transaction.sendOffsets({
      consumerGroupId: groupId,
      topics: [{ topic, partitions: [{ partition: 0, offset: '1' }] }],
    })
    const open = await view.open(own.producerId)
    expect(open).toMatchObject([
      { topic, partition: 0, epoch: own.epoch },
      { ...(await view.offsetsPlace()), epoch: own.epoch },
    ])
    expect(await view.open(own.producerId, [{ topic, partition: 1 }])).toEqual([])
    expect(await view.open('999999')).toEqual([])
    await transaction.commit()
    await until(view, 'CompleteCommit')
    expect(await view.open(own.producerId)).toEqual([])
  })

  it('reject a marker of an earlier epoch, and a marker without an open transaction is harmless', async () => {
    const opened = await openView()
    const { view } = opened
    const own = await committed(opened)
    const quiet = given(await view.init(1))
    const seen = { topic, partition: 0, epoch: own.epoch, coordinatorEpoch: 0, from: 0n }
    expect(await view.mark(seen, quiet, 'abort')).toBe('ended')
    const next = await openView(opened.id)
    await take(next)
    const transaction = await next.producer.transaction()
    await send(transaction, 'live')
    // The marker is based on a read before the successor began, and is written afterwards.
    expect(await view.mark(seen, quiet, 'abort')).toBe('refused')
    await transaction.commit()
  })

  it('are not opened by data after the transaction', async () => {
    const opened = await openView()
    const { view, producer } = opened
    const own = await take(opened)
    const transaction = await producer.transaction()
    await send(transaction, 'v', 0)
    expect(await view.init()).toEqual({ outcome: 'busy' })
    await until(view, 'CompleteAbort')
    await expect(send(transaction, 'late', 0)).rejects.toThrow()
    await expect(send(transaction, 'late', 1)).rejects.toThrow()
    expect(await view.open(own.producerId)).toEqual([])
  })
})
