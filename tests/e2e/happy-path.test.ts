import pg from 'pg'
import { expect, it, onTestFinished } from 'vitest'
import { pointsOf } from '@weir/observer'
import { SOURCES } from '@weir/sources'
import { testServers } from '@weir/testkit'
import { Pipeline } from './pipeline.ts'

it('makes one row of each event of every source, one dead letter of each malformed body, and right totals', async () => {
  const pipeline = await Pipeline.start('happy')
  onTestFinished(() => pipeline.close())
  await pipeline.simulate(300)
  await pipeline.untilTotals(({ received, conflicts }) => received > 2_500 && conflicts > 0)
  const { findings, ok, totals, report, influx } = await pipeline.examine()

  expect(findings).toEqual([])
  expect(ok).toBe(true)
  expect(report.foreign).toBe(0)
  expect(totals.duplicates).toBeGreaterThan(200)
  expect(totals.deadLettered).toBeGreaterThan(0)
  if (testServers().influx !== undefined) expect(influx).toEqual(pointsOf(totals))

  const client = new pg.Client({ connectionString: pipeline.databaseUrl })
  await client.connect()
  onTestFinished(() => client.end())
  const sources = await client.query<{ source: string }>('SELECT DISTINCT source FROM events ORDER BY source')
  expect(sources.rows.map(({ source }) => source)).toEqual(SOURCES.map(({ name }) => name).sort())
  const stale = await client.query(
    `SELECT interaction_id FROM interactions JOIN events USING (source, interaction_id)
     GROUP BY source, interaction_id, interactions.sequence HAVING interactions.sequence <> max(events.sequence)`,
  )
  expect(stale.rows).toEqual([])
})
