import { expect, it } from 'vitest'
import type { Clock } from './clock.ts'
import { TransactionError } from './errors.ts'
import { silentLogger } from './silent-logger.ts'
import { ModelBroker } from './simulation/model-broker.ts'
import { modelTransactions } from './simulation/model-client.ts'
import { World } from './simulation/world.ts'
import { TransactionalProducer } from './transactional-producer.ts'

const world = new World({ isPrompt: false })
const broker = new ModelBroker({ rule: 'remembers-epoch', partitions: ['out/0'], now: () => world.now })

const open = (name: string): TransactionalProducer => {
  let producer: TransactionalProducer | undefined
  world.start(name, (process) => {
    const clock: Clock = {
      now: () => world.now,
      random: () => 0.5,
      timer: (ms, fire) => world.setTimer(process, ms, fire),
    }
    producer = new TransactionalProducer({
      ...{ clock, logger: silentLogger, transactionalId: 'id', transactionTimeoutMs: 10_000 },
      openClient: modelTransactions(world, process, broker, clock),
      places: { groupId: 'group', partition: 0, own: ['out'], shared: [] },
    })
  })
  return producer!
}

/** Carries out what is under way until `asked` is answered. */
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
    if (next === undefined) world.now = world.nextTime()!
    else next.run()
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
