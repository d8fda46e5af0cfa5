import { HEADER } from '@weir/contracts'
import { partitionOf } from '@weir/kafka'
import { isolatedKafka } from '@weir/testkit'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Deployment, webhook } from './testing/deployment.ts'

const WAIT = { timeout: 30_000, interval: 50 }
const EVENTS = 40
let deployment: Deployment

beforeEach(async () => {
  deployment = new Deployment(isolatedKafka('misplaced', 4))
  await deployment.createTopics()
})
afterEach(() => deployment.close())

// It gave 65 events: one ingress had 2 partitions while the topic had 4.
it('an event that also arrives in the partition of another count passes once', async () => {
  const { received, unique, dedupDlq } = deployment.topics
  const webhooks = Array.from({ length: EVENTS }, (_, i) => webhook(`call-${i}`))
  const misplaced = webhooks.filter(({ key }) => partitionOf(key, 2) !== partitionOf(key, 4))
  expect(misplaced.length).toBeGreaterThan(5)
  await deployment.start()
  for (const record of webhooks) {
    await deployment.send(record)
    // Twice by the ingress that has the old count.
    await deployment.send(record, received, partitionOf(record.key, 2))
    await deployment.send(record, received, partitionOf(record.key, 2))
  }
  await vi.waitFor(async () => expect((await deployment.totals()).received).toBe(3 * EVENTS), WAIT)
  expect(await deployment.totals()).toMatchObject({
    unique: EVENTS,
    conflicts: 0,
    deadLettered: misplaced.length,
    duplicates: 2 * EVENTS - misplaced.length,
  })
  const passed = await deployment.read(unique)
  expect(new Set(passed.map(({ key }) => key!.toString())).size).toBe(EVENTS)
  for (const { key, partition } of passed) expect(partition).toBe(partitionOf(key!, 4))
  const letters = await deployment.read(dedupDlq)
  expect(letters.map(({ key }) => key!.toString()).sort()).toEqual(
    misplaced.map(({ key }) => key.toString()).sort(),
  )
  for (const { headers } of letters) {
    expect(headers[HEADER.dlqReason]?.toString()).toBe('wrong_partition')
    expect(headers[HEADER.dlqError]?.toString()).toMatch(
      /^its key belongs to partition \d of 4, but it arrived in \d:/,
    )
  }
}, 90_000)
