import { isolatedFolders, ownKafka, ownServersMissing } from '@weir/testkit'
import { expect, it, onTestFinished } from 'vitest'
import { Pipeline } from './pipeline.ts'

it('loses and repeats nothing when the only broker is killed and stopped under load', async ({ skip }) => {
  const missing = await ownServersMissing()
  if (missing !== undefined) {
    process.stderr.write(`An outage of Kafka is not tested: the test has to start a broker, and ${missing}\n`)
    return skip()
  }
  const kafka = await ownKafka(isolatedFolders('kafka-outage'))
  onTestFinished(() => kafka.close())
  const pipeline = await Pipeline.start('kafka-outage', { kafkaBrokers: [kafka.url] })
  onTestFinished(() => pipeline.close())
  const simulator = await pipeline.simulate(150)
  for (const end of ['kill', 'stop', 'kill'] as const) {
    const { rows } = await pipeline.observer.totals()
    await pipeline.untilTotals((totals) => totals.rows > rows + 200)
    await kafka[end]()
    await kafka.start()
  }
  const { rows } = await pipeline.observer.totals()
  await pipeline.untilTotals((totals) => totals.rows > rows + 200)
  const { failed, unknown } = simulator.counts()
  const { findings, ok } = await pipeline.examine()
  expect(findings).toEqual([])
  expect(ok).toBe(true)
  // It was away for them, and they were sent again.
  expect(failed + unknown).toBeGreaterThan(0)
})
