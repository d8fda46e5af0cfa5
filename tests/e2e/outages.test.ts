import { isolatedFolders, ownPostgres, ownRegistry, ownServersMissing } from '@weir/testkit'
import { expect, it, onTestFinished } from 'vitest'
import { Pipeline } from './pipeline.ts'

it('waits for a database and a registry that are away, goes on when they are back, and gives nothing up', async ({
  skip,
}) => {
  const missing = await ownServersMissing()
  if (missing !== undefined) {
    process.stderr.write(`Outages are not tested: the test has to start a registry, and ${missing}\n`)
    return skip()
  }
  const folders = isolatedFolders('outages')
  const [postgres, registry] = await Promise.all([ownPostgres(folders), ownRegistry(folders)])
  onTestFinished(async () => {
    await Promise.all([postgres.close(), registry.close()])
  })
  const pipeline = await Pipeline.start('outages', { databaseUrl: postgres.url, registryUrl: registry.url })
  onTestFinished(() => pipeline.close())
  const { observer } = pipeline
  const simulator = await pipeline.simulate(150)
  const taken = async (more: number): Promise<void> => {
    const before = await observer.onTopic()
    await pipeline.until(async () => (await observer.onTopic()) > before + more)
  }
  await pipeline.untilTotals(({ rows }) => rows > 200)

  await postgres.stop()
  await taken(400)
  await postgres.start()
  await pipeline.untilTotals(({ rows }) => rows > 600)

  await registry.stop()
  // What runs knows its schema; what starts has to ask for it.
  await pipeline.kill('normalizer')
  await pipeline.kill('persistence')
  const started = Promise.all([pipeline.start('normalizer'), pipeline.start('persistence')])
  await taken(400)
  const { rows } = await observer.totals()
  await registry.start()
  await started
  await pipeline.untilTotals((totals) => totals.rows > rows)

  const { findings, ok, totals } = await pipeline.examine()
  const { failed, unknown } = simulator.counts()
  expect({ failed, unknown }).toEqual({ failed: 0, unknown: 0 })
  expect(findings).toEqual([])
  expect(ok).toBe(true)
  expect(totals.downstreamLetters).toBe(0)
})
