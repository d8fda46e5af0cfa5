import { SCALED_SERVICES } from '@weir/contracts'
import { expect, it, onTestFinished } from 'vitest'
import { Pipeline } from './pipeline.ts'

it('loses and repeats nothing while each service that scales goes from one instance to three and back to one', async () => {
  const pipeline = await Pipeline.start('scaling', { partitions: 6 })
  onTestFinished(() => pipeline.close())
  await pipeline.simulate(150)
  const moreRows = async (count: number): Promise<void> => {
    const { rows } = await pipeline.observer.totals()
    await pipeline.untilTotals((totals) => totals.rows > rows + count)
  }
  await moreRows(200)
  for (const name of SCALED_SERVICES) {
    await Promise.all([pipeline.start(name, 1), pipeline.start(name, 2)])
    // Each of the three has its share.
    for (const instance of [0, 1, 2]) {
      const before = await pipeline.transactions(name, instance)
      await pipeline.until(async () => (await pipeline.transactions(name, instance)) > before)
    }
    await moreRows(200)
    await pipeline.stop(name, 0)
    await pipeline.kill(name, 1)
    await moreRows(200)
  }
  const { findings, ok } = await pipeline.examine()
  expect(findings).toEqual([])
  expect(ok).toBe(true)
})
