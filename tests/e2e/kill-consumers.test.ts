import { expect, it, onTestFinished } from 'vitest'
import { Pipeline } from './pipeline.ts'

it('leaves one row of each event and right totals when the consumers behind dedup are killed under load', async () => {
  const pipeline = await Pipeline.start('kill-consumers')
  onTestFinished(() => pipeline.close())
  await pipeline.simulate(250)
  for (const victim of ['normalizer', 'persistence', 'metric-export', 'normalizer', 'persistence'] as const) {
    const { rows } = await pipeline.observer.totals()
    await pipeline.untilTotals((totals) => totals.rows > rows + 100)
    await pipeline.kill(victim)
    await pipeline.start(victim)
  }
  const { findings, ok } = await pipeline.examine()
  expect(findings).toEqual([])
  expect(ok).toBe(true)
})
