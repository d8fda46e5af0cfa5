import { rmSync } from 'node:fs'
import { contentKeyOf, eventKeyOf, HEADER } from '@weir/contracts'
import { isolatedKafka } from '@weir/testkit'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Deployment, webhook } from './testing/deployment.ts'

let deployment: Deployment

beforeEach(async () => {
  deployment = new Deployment(isolatedKafka('dedup'))
  await deployment.createTopics()
})
afterEach(() => deployment.close())

it('S4-04 lets each key pass once, over restarts with and without a checkpoint', async () => {
  const keys = Array.from({ length: 600 }, (_, i) => `call-${i}`)
  const sendAll = () => Promise.all(keys.map((id) => deployment.send(webhook(id))))
  const decided = (received: number) =>
    vi.waitFor(async () => expect((await deployment.totals()).received).toBe(received), {
      timeout: 20_000,
      interval: 50,
    })

  await deployment.start()
  await sendAll()
  await deployment.send(webhook('call-1', '{"other":"body"}'))
  await deployment.send(webhook('call-1', '{"other":"body"}'))
  await deployment.send(webhook('broken', '{', true))
  await deployment.send(webhook('broken', '{', true))
  await decided(604)

  await deployment.stop()
  await sendAll()
  await deployment.start()
  await decided(1204)

  await deployment.stop()
  rmSync(deployment.stateDir, { recursive: true, force: true })
  await sendAll()
  await deployment.start()
  await decided(1804)

  const unique = await deployment.read(deployment.topics.unique)
  expect(unique.map(({ key }) => key!.toString()).sort()).toEqual(keys.map((id) => `cxone|${id}`).sort())
  expect(await deployment.totals()).toEqual({
    received: 1804,
    returned: 0,
    unique: 600,
    duplicates: 1202,
    conflicts: 1,
    deadLettered: 1,
    malformed: 2,
    malformedRepeats: 1,
  })
  const letters = await deployment.read(deployment.topics.dedupDlq)
  expect(letters.map(({ headers }) => headers[HEADER.dlqReason]?.toString()).sort()).toEqual([
    'invalid_json',
    'key_conflict',
  ])
}, 60_000)

it('makes no event of signed content under another id, also after a restart', async () => {
  const body = '{"captured":true}'
  const contentKey = contentKeyOf('cxone', Buffer.from(body))
  const deliver = (id: string) => {
    const record = webhook('call-1', body)
    const headers = {
      ...record.headers,
      [HEADER.dedupKey]: Buffer.from(id),
      [HEADER.eventKey]: eventKeyOf('cxone', id),
      [HEADER.contentKey]: contentKey,
    }
    return deployment.send({ ...record, headers })
  }
  const decided = (received: number) =>
    vi.waitFor(async () => expect((await deployment.totals()).received).toBe(received), { timeout: 20_000 })
  await deployment.start()
  for (const id of ['d1', 'd1', 'd2', 'd2']) await deliver(id)
  await decided(4)
  await deployment.stop()
  rmSync(deployment.stateDir, { recursive: true, force: true })
  await deployment.start()
  for (const id of ['d1', 'd2', 'd3']) await deliver(id)
  await decided(7)
  expect(await deployment.totals()).toMatchObject({ unique: 1, duplicates: 4, conflicts: 0, deadLettered: 2 })
  const letters = await deployment.read(deployment.topics.dedupDlq)
  expect(letters.map(({ headers }) => headers[HEADER.dlqReason]?.toString())).toEqual([
    'content_repeated',
    'content_repeated',
  ])
}, 60_000)

it('decides about replayed records as about all others, and counts them separately', async () => {
  const { dedupReplay } = deployment.topics
  await deployment.start()
  await deployment.send(webhook('call-1'))
  await vi.waitFor(async () => expect((await deployment.totals()).unique).toBe(1), { timeout: 20_000 })
  for (const id of ['call-1', 'fixed', 'fixed']) await deployment.send(webhook(id), dedupReplay)
  await deployment.send(webhook('fixed', '{"other":true}'), dedupReplay)
  await vi.waitFor(async () => expect((await deployment.totals()).returned).toBe(4), { timeout: 20_000 })
  expect(await deployment.totals()).toEqual({
    received: 1,
    returned: 4,
    unique: 2,
    duplicates: 2,
    conflicts: 1,
    deadLettered: 0,
    malformed: 0,
    malformedRepeats: 0,
  })
  const unique = await deployment.read(deployment.topics.unique)
  expect(unique.map(({ key }) => key!.toString()).sort()).toEqual(['cxone|call-1', 'cxone|fixed'])
}, 60_000)
