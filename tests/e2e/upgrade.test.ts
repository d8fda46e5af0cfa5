import { testServers } from '@weir/testkit'
import { EVENT_SERVICES } from '@weir/contracts'
import { expect, it, onTestFinished } from 'vitest'
import { Balancer } from './balancer.ts'
import { Pipeline } from './pipeline.ts'

const { WEIR_PREVIOUS_IMAGE: image, WEIR_PREVIOUS_VERSION: version, WEIR_PREVIOUS_MISSING } = process.env

const missing = (): string | undefined => {
  if (testServers().services.kind === 'processes')
    return 'services run from this clone, which has one version'
  return image === undefined ? (WEIR_PREVIOUS_MISSING ?? 'WEIR_PREVIOUS_IMAGE names no image') : undefined
}

it('keeps all that it knows and answers every request well while each service is upgraded from the previous image', async ({
  skip,
}) => {
  const why = missing()
  if (why !== undefined) {
    process.stderr.write(`The upgrade is not tested: ${why}\n`)
    return skip()
  }
  process.stderr.write(`Upgrading from ${version ?? image!}\n`)
  const pipeline = await Pipeline.start('upgrade', { image, env: { INGRESS_DRAIN_MS: '1000' } })
  onTestFinished(() => pipeline.close())
  await pipeline.start('ingress', 1)
  const balancer = await Balancer.start([pipeline.ingressUrl(0), pipeline.ingressUrl(1)])
  onTestFinished(() => balancer.close())
  const early = pipeline.plan(500)
  await pipeline.send(early)
  const simulator = await pipeline.simulate(100, balancer.url)

  pipeline.upgrade()
  for (const name of EVENT_SERVICES) {
    for (const instance of name === 'ingress' ? [0, 1] : [0]) {
      const { rows } = await pipeline.observer.totals()
      await pipeline.untilTotals((totals) => totals.rows > rows + 100)
      await pipeline.stop(name, instance)
      await pipeline.start(name, instance)
    }
  }
  const { failed, unknown } = simulator.counts()
  await simulator.stop()
  // Known since before the upgrade.
  await pipeline.send(early)

  const { findings, ok, totals } = await pipeline.examine()
  expect(findings).toEqual([])
  expect(ok).toBe(true)
  expect({ failed, unknown }).toEqual({ failed: 0, unknown: 0 })
  expect(totals.duplicates).toBeGreaterThanOrEqual(early.length)
  // The older version counted malformed bodies among the received ones.
  const counted = async (): Promise<number | undefined> => {
    const points = await pipeline.influxTotals()
    return points && points.eventsReceived + points.eventsRejected
  }
  await pipeline.until(async () => [undefined, totals.received].includes(await counted()))
})
