import { expect, it, onTestFinished } from 'vitest'
import { Pipeline } from './pipeline.ts'

it('loses and repeats nothing when dedup is killed again and again under load', async () => {
  const pipeline = await Pipeline.start('kill-dedup')
  onTestFinished(() => pipeline.close())
  await pipeline.simulate(250)
  for (let kills = 0; kills < 3; kills++) {
    const { unique } = await pipeline.observer.totals()
    await pipeline.untilTotals((totals) => totals.unique > unique + 200)
    await pipeline.kill('dedup')
    await pipeline.start('dedup')
  }
  await pipeline.untilTotals(({ received, duplicates }) => received > 3_000 && duplicates > 300)
  const { findings, ok } = await pipeline.examine()
  expect(findings).toEqual([])
  expect(ok).toBe(true)
})
