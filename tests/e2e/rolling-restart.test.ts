import { EVENT_SERVICES } from '@weir/contracts'
import { expect, it, onTestFinished } from 'vitest'
import { Balancer } from './balancer.ts'
import { Pipeline } from './pipeline.ts'

it('answers every request well while each service is restarted in turn', async () => {
  const pipeline = await Pipeline.start('rolling', { env: { INGRESS_DRAIN_MS: '1000' } })
  onTestFinished(() => pipeline.close())
  await pipeline.start('ingress', 1)
  const balancer = await Balancer.start([pipeline.ingressUrl(0), pipeline.ingressUrl(1)])
  onTestFinished(() => balancer.close())
  const simulator = await pipeline.simulate(200, balancer.url)
  const restarts = [...EVENT_SERVICES.map((name) => [name, 0] as const), ['ingress', 1] as const]
  for (const [name, instance] of restarts) {
    const { rows } = await pipeline.observer.totals()
    await pipeline.untilTotals((totals) => totals.rows > rows + 200)
    await pipeline.stop(name, instance)
    await pipeline.start(name, instance)
  }
  const { failed, unknown, sent } = simulator.counts()
  const { findings, ok } = await pipeline.examine()
  expect(findings).toEqual([])
  expect(ok).toBe(true)
  expect(balancer.troubles).toEqual([])
  expect({ failed, unknown }).toEqual({ failed: 0, unknown: 0 })
  expect(sent).toBeGreaterThan(1_500)
})
