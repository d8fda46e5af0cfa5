import { expect, it, onTestFinished } from 'vitest'
import { Pipeline } from './pipeline.ts'

it('loses nothing that was answered when ingress is killed under load, and nothing comes twice', async () => {
  const pipeline = await Pipeline.start('kill-ingress')
  onTestFinished(() => pipeline.close())
  const simulator = await pipeline.simulate(250)
  for (let kills = 0; kills < 4; kills++) {
    const { onTopic } = await pipeline.observer.totals()
    await pipeline.untilTotals((totals) => totals.onTopic > onTopic + 300)
    await pipeline.kill('ingress')
    await pipeline.start('ingress')
  }
  await pipeline.untilTotals(({ received }) => received > 2_000)
  const { findings, ok } = await pipeline.examine()
  const { unknown, failed } = simulator.counts()
  expect(findings).toEqual([])
  expect(ok).toBe(true)
  expect(unknown + failed).toBeGreaterThan(0)
})
