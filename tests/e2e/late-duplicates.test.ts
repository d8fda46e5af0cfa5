import { expect, it, onTestFinished } from 'vitest'
import { Pipeline } from './pipeline.ts'

it('knows what comes again after everything was stopped, and again after everything was killed and the checkpoints are gone', async () => {
  const pipeline = await Pipeline.start('late')
  onTestFinished(() => pipeline.close())
  const shipments = pipeline.plan(800)
  await pipeline.send(shipments)
  // Some of it is still on its way.
  await pipeline.stopAll()
  await pipeline.startAll()
  await pipeline.send(shipments)
  await pipeline.killAll()
  pipeline.removeState()
  await pipeline.startAll()
  await pipeline.send(shipments)

  const { findings, ok, totals } = await pipeline.examine()
  expect(findings).toEqual([])
  expect(ok).toBe(true)
  const { unique, conflicts, deadLettered, duplicates } = totals
  expect(unique).toBeGreaterThan(700)
  expect(duplicates).toBe(2 * (unique + conflicts + deadLettered))
})
