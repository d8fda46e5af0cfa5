import { Observer } from '@weir/observer'
import { isolatedDatabase, isolatedKafka, testServers } from '@weir/testkit'
import pg from 'pg'
import { expect, it, onTestFinished } from 'vitest'

it('counts the rows of a database whose schema is of an earlier version', async () => {
  const databaseUrl = await isolatedDatabase('observer')
  const { registryUrl } = testServers()
  const observer = new Observer({ settings: isolatedKafka('observer'), databaseUrl, registryUrl })
  onTestFinished(() => observer.close())
  expect(await observer.rowCounts()).toEqual(new Map())
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query(`CREATE TABLE events AS SELECT 'cxone' AS source FROM generate_series(1, 3)`)
  await client.end()
  expect(await observer.rowCounts()).toEqual(new Map([['cxone', 3]]))
})
