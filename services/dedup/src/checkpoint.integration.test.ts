import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isolatedKafka } from '@weir/testkit'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Deployment, parkedWith, webhook } from './testing/deployment.ts'

let deployment: Deployment

beforeEach(async () => {
  deployment = new Deployment(isolatedKafka('checkpoint', 2))
  await deployment.createTopics()
})
afterEach(() => deployment.close())

const WAIT = { timeout: 30_000, interval: 50 }
const ids = Array.from({ length: 200 }, (_, i) => `call-${i}`)

const sendAll = () => Promise.all(ids.map((id) => deployment.send(webhook(id))))

const decided = (received: number) =>
  vi.waitFor(async () => expect((await deployment.totals()).received).toBe(received), WAIT)

const ready = (service: { readiness: () => readonly string[] }) =>
  vi.waitFor(() => expect(service.readiness()).toEqual([]), WAIT)

it('lets nothing pass twice after its checkpoints were damaged, swapped or taken by another process', async () => {
  await deployment.start()
  await sendAll()
  await decided(200)
  await deployment.stop()
  const folder = (partition: number) => join(deployment.stateDir, `partition-${partition}`)

  renameSync(folder(0), folder(9))
  renameSync(folder(1), folder(0))
  renameSync(folder(9), folder(1))
  await ready(await deployment.start())
  await sendAll()
  await decided(400)
  await deployment.stop()

  for (const partition of [0, 1]) {
    for (const name of readdirSync(folder(partition))) {
      const file = join(folder(partition), name)
      const bytes = readFileSync(file)
      if (bytes.length > 0) bytes[Math.floor(bytes.length / 2)]! ^= 0x10
      writeFileSync(file, bytes)
    }
  }
  await ready(await deployment.start())
  await sendAll()
  await decided(600)
  const other = new Deployment(deployment.settings)
  try {
    await expect(other.start({ STATE_DIR: deployment.stateDir })).rejects.toThrow(
      `STATE_DIR is ${deployment.stateDir}, which another process uses. Give each process its own folder.`,
    )
  } finally {
    await other.close()
  }
  expect(await deployment.totals()).toMatchObject({ unique: 200, duplicates: 400 })
  expect(await deployment.read(deployment.topics.unique)).toHaveLength(200)
}, 120_000)

it('stops at a damaged chunk, reports where it is, and does not skip it at the next start', async () => {
  await deployment.start()
  await sendAll()
  await decided(200)
  await deployment.stop()
  const chunk = (await deployment.read(deployment.topics.seen)).find(
    ({ key, partition }) => partition === 0 && key!.toString().startsWith('chunk|'),
  )!
  const value = Buffer.from(chunk.value!)
  value[20]! ^= 1
  await deployment.send({ key: chunk.key!, value, headers: {} }, deployment.topics.seen, 0)
  const message = new RegExp(
    `${deployment.topics.seen}/0, offset \\d+: a damaged chunk\\. Stop dedup and run .weir dedup rebuild-state --partition 0.\\.`,
  )
  for (let start = 0; start < 2; start++) {
    const service = await deployment.start()
    await parkedWith(service, message)
    await deployment.stop()
  }
}, 90_000)

it('stops when the state has an identity but no position, and never starts over', async () => {
  await deployment.start()
  await sendAll()
  await decided(200)
  await deployment.stop()
  const state = await deployment.read(deployment.topics.seen)
  const other = new Deployment(isolatedKafka('checkpoint-other', 2))
  try {
    await other.createTopics()
    for (const { key, value, headers, partition } of state) {
      if (key!.toString().startsWith('position')) continue
      await other.send({ key: key!, value, headers }, other.topics.seen, partition)
    }
    const service = await other.start()
    await parkedWith(
      service,
      /has an identity and no position\. Stop dedup and run `weir dedup rebuild-state --partition \d`\./,
    )
    await other.send(webhook('call-0'))
    expect(await other.read(other.topics.unique)).toEqual([])
  } finally {
    await other.close()
  }
}, 90_000)
