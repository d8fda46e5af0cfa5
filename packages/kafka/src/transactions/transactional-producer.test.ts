import { beforeEach, expect, it } from 'vitest'
import type { Clock } from '../client/clock.ts'
import { TransactionError } from '../client/errors.ts'
import { silentLogger } from '../client/silent-logger.ts'
import { ModelBroker } from '../simulation/model/model-broker.ts'
import { modelTransactions } from '../simulation/model/model-client.ts'
import { World } from '../simulation/model/world.ts'
import type { TransactionClient } from './transaction-client.ts'
import { TransactionalProducer } from './transactional-producer.ts'

const TIMEOUT_MS = 10_000
let world: World
let broker: ModelBroker

beforeEach(() => {
  world = new World({ isPrompt: false })
  broker = new ModelBroker({ rule: 'remembers-epoch', partitions: ['out/0'], now: () => world.now })
})

const same = (client: TransactionClient): TransactionClient => client

const open = (name: string, change = same): TransactionalProducer => {
  let producer: TransactionalProducer | undefined
  world.start(name, (process) => {
    const clock: Clock = {
      now: () => world.now,
      random: () => 0.5,
      timer: (ms, fire) => world.setTimer(process, ms, fire),
    }
    producer = new TransactionalProducer({
      clock,
      logger: silentLogger,
      transactionalId: 'id',
      transactionTimeoutMs: TIMEOUT_MS,
      openClient: (...of) => change(modelTransactions(world, process, broker, clock)(...of)),
      places: { groupId: 'group', partition: 0, own: ['out'], shared: [] },
    })
  })
  return producer!
}

/** One step of the coordinator towards the end of a transaction, if one is being ended. */
const coordinate = (): boolean => {
  const transaction = broker.transactions.get('id')
  const [unmarked] = transaction?.unmarked ?? []
  if (transaction?.isFencing === true) transaction.noteFence()
  else if (unmarked !== undefined) broker.mark('id', unmarked)
  else if (transaction?.isEnding === true) transaction.complete()
  else return false
  return true
}

/** Runs pending work until `asked` settles. */
const answered = async <T>(asked: Promise<T>): Promise<T> => {
  const ended: unknown[] = []
  asked.then(
    () => ended.push('resolved'),
    () => ended.push('rejected'),
  )
  for (;;) {
    await world.settle()
    if (ended.length > 0) return asked
    const [next] = world.events()
    if (next !== undefined) next.run()
    else if (!coordinate()) world.now = world.nextTime()!
  }
}

it('knows whether another owner has come since its fence', async () => {
  const [first, second] = [open('first'), open('second')]
  await answered(first.fence())
  await answered(first.requireOwner())
  await answered(second.fence())
  await answered(second.requireOwner())
  await expect(answered(first.requireOwner())).rejects.toThrow(TransactionError)
})

const RECORD = { topic: 'out', partition: 0, key: Buffer.from('k'), value: Buffer.from('v'), headers: {} }
const OFFSET = { topic: 'in', partition: 0, offset: 1n, metadata: '' }
const UNASKED = new Set(['adopt', 'disconnect'])

/** Counts the requests to the brokers. Request number `hangsAt` gets its response only after `answer`. */
const hanging = (hangsAt: number) => {
  const asked: string[] = []
  const held = Promise.withResolvers<undefined>()
  const watched = <T extends object>(target: T): T =>
    new Proxy(target, {
      get: (_, name) => {
        const member: unknown = Reflect.get(target, name)
        if (name === 'view') return watched(member as object)
        if (typeof member !== 'function') return member
        if (UNASKED.has(String(name))) return member.bind(target) as unknown
        return async (...of: unknown[]) => {
          asked.push(String(name))
          if (asked.length === hangsAt) await held.promise
          const answer: unknown = await Reflect.apply(member, target, of)
          return name === 'begin' ? watched(answer as object) : answer
        }
      },
    })
  const answer = (): void => {
    held.resolve(undefined)
  }
  return { asked, watched, answer }
}

/** A takeover that aborts an earlier owner's transaction, then a barrier and a transaction. */
const work = async (producer: TransactionalProducer): Promise<void> => {
  await producer.fence()
  await producer.requireOwner()
  await producer.barrier('out', 0, Buffer.from('nonce'))
  await producer.commit([RECORD], [OFFSET])
}

const leaveOpen = async (): Promise<void> => {
  const predecessor = open('predecessor', (client) => ({
    view: client.view,
    offsetsPlace: () => client.offsetsPlace(),
    connect: () => client.connect(),
    disconnect: () => client.disconnect(),
    adopt: (own) => client.adopt(own),
    begin: async () => ({ ...(await client.begin()), commit: () => Promise.reject(new Error('lost')) }),
  }))
  await answered(predecessor.fence())
  await expect(answered(predecessor.commit([RECORD], [OFFSET]))).rejects.toThrow(TransactionError)
}

const requestsOfAll = async (): Promise<number> => {
  await leaveOpen()
  const { asked, watched } = hanging(0)
  await answered(work(open('successor', watched)))
  // Excludes the check after the last commit, which no step awaits.
  return asked.length - 1
}

it('sends no request after a step exceeded its time, whichever request got no response', async () => {
  const count = await requestsOfAll()
  expect(count).toBeGreaterThan(15)
  const stopped = new Set<string>()
  for (let hangsAt = 1; hangsAt <= count; hangsAt++) {
    world = new World({ isPrompt: false })
    broker = new ModelBroker({ rule: 'remembers-epoch', partitions: ['out/0'], now: () => world.now })
    await leaveOpen()
    const { asked, watched, answer } = hanging(hangsAt)
    const producer = open('successor', watched)
    await expect(answered(work(producer))).rejects.toThrow(/not done after 15000 ms/)
    const before = asked.length
    stopped.add(asked[hangsAt - 1]!)
    answer()
    await answered(new Promise<void>((resolve) => world.setTimer(world.processes.at(-1)!, 60_000, resolve)))
    expect(asked.slice(before)).toEqual([])
    // A later call sends no request either.
    await expect(answered(producer.commit([RECORD], [OFFSET]))).rejects.toThrow(TransactionError)
    expect(asked.slice(before)).toEqual([])
  }
  for (const name of [
    'connect',
    'describe',
    'abortOngoing',
    'init',
    'open',
    'send',
    'sendOffsets',
    'commit',
  ]) {
    expect(stopped).toContain(name)
  }
})

it('sends no request when its owner releases the partition during the takeover', async () => {
  const { asked, watched, answer } = hanging(4)
  const released = new AbortController()
  const fencing = open('one', watched).fence(released.signal)
  fencing.catch(() => undefined)
  while (asked.length < 4) {
    await world.settle()
    world.events()[0]?.run()
  }
  released.abort()
  answer()
  await expect(answered(fencing)).rejects.toThrow(TransactionError)
  expect(asked).toHaveLength(4)
})
