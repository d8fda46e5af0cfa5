import { openMaintenance } from '@weir/kafka'
import { isolatedKafka } from '@weir/testkit'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Deployment, guardedWebhook, parkedWith, webhook } from '../testing/deployment.ts'
import { rebuildState } from './rebuild-state.ts'

const WAIT = { timeout: 30_000, interval: 50 }
let deployment: Deployment

beforeEach(async () => {
  deployment = new Deployment(isolatedKafka('rebuild', 1))
  await deployment.createTopics()
})
afterEach(() => deployment.close())

const events = Array.from({ length: 150 }, (_, i) => webhook(`call-${i}`))
const conflict = webhook('call-0', '{"another":"body"}')
const malformed = webhook('malformed', 'NaN', true)
const guarded = guardedWebhook('guarded', '{"signed":"content"}')
const repeated = guardedWebhook('another id', '{"signed":"content"}')
const all = [...events, conflict, malformed, guarded, repeated]
/** Each has one, and the content that two of them share. */
const KEYS = all.length + 1

const decided = (received: number) =>
  vi.waitFor(async () => expect((await deployment.totals()).received).toBe(received), WAIT)

const fill = async (): Promise<void> => {
  await deployment.start()
  for (const record of all) await deployment.send(record)
  await decided(all.length)
  await deployment.stop()
}

/** All of it once more, from the topic alone: nothing may pass twice. */
const expectExact = async (): Promise<void> => {
  const other = new Deployment(deployment.settings)
  try {
    await other.start()
    for (const record of all) await deployment.send(record)
    await deployment.send(webhook('new'))
    // Only the key of its content tells that it is no event.
    await deployment.send(guardedWebhook('a third id', '{"signed":"content"}'))
    await decided(2 * all.length + 2)
    expect(await deployment.totals()).toMatchObject({
      unique: 152,
      duplicates: 154,
      conflicts: 1,
      deadLettered: 3,
    })
  } finally {
    await other.close()
  }
}

const damage = async (names: RegExp, sizes: 'all' | 'first' = 'all'): Promise<number> => {
  const latest = new Map(
    (await deployment.read(deployment.topics.seen)).map((record) => [record.key!.toString(), record]),
  )
  const found = [...latest.values()].filter(({ key, value }) => value !== null && names.test(key!.toString()))
  const damaged = sizes === 'all' ? found : found.slice(0, 1)
  for (const { key, value } of damaged) {
    const bytes = Buffer.from(value!)
    bytes[Math.min(20, bytes.length - 1)]! ^= 1
    await deployment.send(
      { key: key!, value: bytes.subarray(0, bytes.length - 1), headers: {} },
      deployment.topics.seen,
      0,
    )
  }
  return damaged.length
}

const run = async (
  options: { readonly dryRun?: boolean; readonly partial?: boolean } = {},
): Promise<string[]> => {
  const lines: string[] = []
  await rebuildState({
    settings: deployment.settings,
    partition: 0,
    windowMs: 86_400_000,
    partial: false,
    dryRun: false,
    progress: (text) => void lines.push(text),
    ...options,
  })
  return lines
}

it('restores the keys of damaged chunks from the events and the letters', async () => {
  await fill()
  expect(await damage(/^chunk/)).toBeGreaterThan(0)
  const refused = await deployment.start()
  await parkedWith(refused, 'run `weir dedup rebuild-state --partition 0`')
  await deployment.stop()
  const planned = await vi.waitFor(() => run({ dryRun: true }), WAIT)
  const done = await vi.waitFor(() => run(), WAIT)
  expect(planned.filter((line) => line.includes('offset'))).not.toEqual([])
  expect(planned).toContain(`${KEYS} keys would be written again`)
  expect(done).toContain(`${KEYS} keys are written again`)
  expect((await run()).at(-1)).toBe('there is nothing to repair')
  await expectExact()
}, 120_000)

it('restores a lost position from the offsets of the group', async () => {
  await fill()
  await damage(/^position/)
  await run()
  await expectExact()
}, 120_000)

// It was read as another position: 0x08 makes "9" of "1".
it('detects one flipped bit in a position that can still be parsed', async () => {
  await fill()
  const records = await deployment.read(deployment.topics.seen)
  const last = records.findLast(({ key }) => key?.toString() === 'position')!
  const value = Buffer.from(last.value!)
  const digit = value.indexOf('":"') + 3
  value[digit]! ^= 0x08
  const { headers } = last
  await deployment.send({ key: last.key!, value, headers }, deployment.topics.seen, 0)
  const lines = await vi.waitFor(() => run({ dryRun: true }), WAIT)
  expect(lines.join('\n')).toMatch(
    /offset \d+: a damaged record: its CRC-32 does not match its key and value/,
  )
  await run()
  await expectExact()
}, 120_000)

it('adds only the missing keys, and continues after an interruption', async () => {
  await fill()
  await damage(/^chunk/, 'first')
  // What a call writes before it is cut off: chunks, and the damage is still there.
  const before = await deployment.read(deployment.topics.seen)
  await run()
  const added = (await deployment.read(deployment.topics.seen)).slice(before.length)
  expect(added.filter(({ key }) => key!.toString().includes('rebuilt'))).toHaveLength(1)
  await damage(/^chunk.*rebuilt/)
  const [chunk] = added.filter(({ key }) => key!.toString().includes('rebuilt'))
  await run()
  const again = (await deployment.read(deployment.topics.seen)).filter(({ key }) =>
    key!.toString().includes('rebuilt'),
  )
  // Under another key: what the first call has written may be good.
  expect(new Set(again.map(({ key }) => key!.toString())).size).toBe(2)
  expect(again[0]!.key).toEqual(chunk!.key)
  await expectExact()
}, 120_000)

it('fills an empty state topic, as after its deletion', async () => {
  await fill()
  // The same deployment without its state: the same records, and the group's offsets.
  const whole = deployment
  deployment = new Deployment(isolatedKafka('rebuild-lost', 1))
  await deployment.createTopics()
  for (const role of ['received', 'unique', 'dedupDlq', 'stats'] as const) {
    for (const { key, value, headers } of await whole.read(whole.topics[role])) {
      await deployment.send({ key: key!, value, headers }, deployment.topics[role], 0)
    }
  }
  await whole.close()
  const { settings, topics } = deployment
  const maintenance = await openMaintenance({
    settings,
    service: 'dedup',
    changelogTopic: topics.seen,
    outputs: [topics.duplicates],
  })
  const claim = await maintenance.claim(0)
  await claim.commit([], { [topics.received]: BigInt(all.length) })
  await claim.close()
  await maintenance.close()

  const refused = await deployment.start()
  await parkedWith(
    refused,
    'the state is not the latest, or the offset was changed. Stop dedup and run `weir dedup rebuild-state --partition 0`',
  )
  await deployment.stop()
  const lines = await vi.waitFor(() => run(), WAIT)
  expect(lines).toContain(`${KEYS} keys are written again`)
  await expectExact()
}, 120_000)

it('changes neither an intact partition nor a new one', async () => {
  const lines = await vi.waitFor(() => run(), WAIT)
  expect(lines.at(-1)).toBe('dedup has never read here, so there is nothing to rebuild')
  await fill()
  expect((await run({ dryRun: true })).at(-1)).toBe('there is nothing to repair')
  await deployment.start()
  await vi.waitFor(() => expect(run()).rejects.toThrow('dedup runs: its group has 1 members'), WAIT)
}, 90_000)
