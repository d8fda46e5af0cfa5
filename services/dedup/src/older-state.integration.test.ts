import { rmSync } from 'node:fs'
import { ensureTopics, openMaintenance, type InputRecord } from '@weir/kafka'
import { withAdmin, writeAborted } from '@weir/kafka/testing'
import { HEADER, TOPIC_SPECS } from '@weir/contracts'
import { isolatedKafka } from '@weir/testkit'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { positionOf } from './layout.ts'
import { rebuildState } from './maintenance/rebuild-state.ts'
import { Deployment, parkedWith, silent, webhook } from './testing/deployment.ts'

/**
 * What says where dedup goes on is taken away in part, or set back: it stops that partition, and the command repairs
 * it.
 */
let deployment: Deployment
const WAIT = { timeout: 30_000, interval: 50 }
const REPAIR = 'Stop dedup and run `weir dedup rebuild-state --partition 0`.'

beforeEach(async () => {
  deployment = new Deployment(isolatedKafka('older', 1))
  await deployment.createTopics()
})
afterEach(() => deployment.close())

const ids = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `call-${from + i}`)

const sendAll = async (from: number, to: number): Promise<void> => {
  await Promise.all(ids(from, to).map((id) => deployment.send(webhook(id))))
}

/** Sends these and lets them be decided. */
const work = async (from: number, to: number, conflict = false): Promise<void> => {
  const before = await vi.waitFor(async () => (await deployment.totals()).received, WAIT)
  const service = await deployment.start()
  await vi.waitFor(() => expect(service.readiness()).toEqual([]), WAIT)
  await sendAll(from, to)
  if (conflict) await deployment.send(webhook(`call-${from}`, '{"another":"body"}'))
  const sent = to - from + (conflict ? 1 : 0)
  await vi.waitFor(async () => expect((await deployment.totals()).received).toBe(before + sent), WAIT)
  await deployment.stop()
}

const emptyTopic = async (topic: string): Promise<void> => {
  const { settings } = deployment
  await withAdmin(settings, async (admin) => {
    await admin.deleteTopics({ topics: [topic] })
    await vi.waitFor(async () => expect(await admin.listTopics()).not.toContain(topic), WAIT)
  })
  await vi.waitFor(
    () =>
      ensureTopics({
        settings,
        logger: silent,
        specs: TOPIC_SPECS,
        replicationFactor: 1,
        minInsyncReplicas: 1,
      }),
    WAIT,
  )
  await deployment.reopenLanes()
}

/** The state topic is deleted and has these records afterwards. */
const restore = async (records: readonly InputRecord[]): Promise<void> => {
  const { seen } = deployment.topics
  await emptyTopic(seen)
  for (const { key, value, headers } of records) {
    await deployment.send({ key: key!, value, headers }, seen, 0)
  }
}

const deleteGroup = async (): Promise<void> => {
  const group = `${deployment.settings.topicPrefix}dedup`
  await vi.waitFor(() => withAdmin(deployment.settings, (admin) => admin.deleteGroups([group])), WAIT)
}

const setOffset = async (offset: bigint, topic = deployment.topics.received): Promise<void> => {
  const { settings, topics } = deployment
  const maintenance = await openMaintenance({
    settings,
    service: 'dedup',
    changelogTopic: topics.seen,
    outputs: [],
  })
  const claim = await maintenance.claim(0)
  await claim.commit([], { [topic]: offset })
  await claim.close()
  await maintenance.close()
}

const rebuild = async (): Promise<string[]> => {
  const lines: string[] = []
  const { settings } = deployment
  await vi.waitFor(
    () =>
      rebuildState({
        settings,
        partition: 0,
        windowMs: 86_400_000,
        partial: false,
        dryRun: false,
        progress: (text) => void lines.push(text),
      }),
    WAIT,
  )
  return lines
}

const uniqueIds = async (): Promise<string[]> =>
  (await deployment.read(deployment.topics.unique)).map(({ value }) => value!.toString()).sort()

/** All `events` are on the output once, although each was sent twice, and parked partitions wrote nothing. */
const expectExact = async (events: number): Promise<void> => {
  expect(await uniqueIds()).toHaveLength(events)
  const service = await deployment.start()
  await vi.waitFor(() => expect([service.readiness(), service.parked?.()]).toEqual([[], []]), WAIT)
  await sendAll(0, events + 1)
  const all = ids(0, events + 1).map((id) => `{"id":"${id}"}`)
  await vi.waitFor(async () => expect(await uniqueIds()).toEqual(all.sort()), WAIT)
  const { received } = await deployment.totals()
  await vi.waitFor(async () => expect((await deployment.totals()).received).toBeGreaterThanOrEqual(received))
  await deployment.stop()
  expect(await uniqueIds()).toEqual(all.sort())
}

it.each(['with', 'without'])(
  'an older copy of the state parks the partition, %s a checkpoint, and is brought up to date',
  async (how) => {
    await work(0, 60)
    const copy = await deployment.read(deployment.topics.seen)
    await work(60, 100, true)
    await restore(copy)
    if (how === 'without') rmSync(deployment.stateDir, { recursive: true })
    const { topics, settings } = deployment
    const service = await deployment.start()
    await parkedWith(
      service,
      `${topics.received}/0: the state is at offset 60 and the offset of group ${settings.topicPrefix}dedup, which ` +
        `commits with it, is 101: the state is not the latest, or the offset was changed. ${REPAIR}`,
    )
    expect(service.readiness()).toEqual(['partition 0 is parked'])
    await deployment.stop()
    const lines = await rebuild()
    expect(lines).toContain('41 keys are written again')
    expect(lines).toContain(`${topics.received}/0: dedup continues at 101`)
    expect(await rebuild()).toContain('there is nothing to repair')
    await expectExact(100)
    expect((await deployment.totals()).conflicts).toBe(1)
  },
  120_000,
)

it('discards a checkpoint of a state that was deleted and filled again, also with equal offsets', async () => {
  await work(0, 60)
  const copy = await deployment.read(deployment.topics.seen)
  await restore(copy)
  // So that the log reaches further than before; the checkpoint includes all up to its end of then.
  const filler = copy.findLast(({ key }) => key!.toString() === 'position')!
  for (let i = 0; i < 80; i++) {
    await deployment.send({ key: filler.key!, value: filler.value, headers: {} }, deployment.topics.seen, 0)
  }
  await expectExact(60)
}, 120_000)

it('a deleted group parks the partition, which then continues at the position of the state', async () => {
  await work(0, 60)
  await deleteGroup()
  const { topics, settings } = deployment
  const service = await deployment.start()
  await parkedWith(
    service,
    `${topics.received}/0: the state is at offset 60, and the offset of group ${settings.topicPrefix}dedup, which ` +
      `commits with it, is gone. ${REPAIR}`,
  )
  await deployment.stop()
  expect(await rebuild()).toContain(`${topics.received}/0: dedup continues at 60`)
  await expectExact(60)
}, 120_000)

it('an older copy and a deleted group: later decisions are restored from the events', async () => {
  await work(0, 60)
  const copy = await deployment.read(deployment.topics.seen)
  await work(60, 100)
  await restore(copy)
  await deleteGroup()
  await parkedWith(await deployment.start(), 'is gone')
  await deployment.stop()
  expect(await rebuild()).toContain('40 keys are written again')
  await expectExact(100)
}, 120_000)

it('deleting both state and group does not start over: everything is restored from the events', async () => {
  await work(0, 60)
  await restore([])
  await deleteGroup()
  await parkedWith(await deployment.start(), 'the state is at its beginning, and the offset of group')
  await deployment.stop()
  expect(await rebuild()).toContain('60 keys are written again')
  await expectExact(60)
}, 120_000)

it('an offset that was moved by hand loses nothing: undecided records are read', async () => {
  await work(0, 60)
  await sendAll(60, 100)
  await setOffset(90n)
  await parkedWith(await deployment.start(), 'the state is at offset 60')
  await deployment.stop()
  const lines = await rebuild()
  expect(lines).toContain(`${deployment.topics.received}/0: dedup continues at 60`)
  expect(lines.find((line) => line.includes('30 records before'))).toContain('the offset was moved')
  await vi.waitFor(() => expectExactAfterBacklog(100), WAIT)
}, 120_000)

const committed = async (topic: string): Promise<bigint | undefined> => {
  const { settings, topics } = deployment
  const maintenance = await openMaintenance({
    settings,
    service: 'dedup',
    changelogTopic: topics.seen,
    outputs: [],
  })
  try {
    return (await maintenance.committed([topic], 0)).get(topic)
  } finally {
    await maintenance.close()
  }
}

it.each(['received', 'dedupReplay'] as const)(
  'position and offset are equal after nothing but the marker of an aborted transaction: %s',
  async (input) => {
    const topic = deployment.topics[input]
    await work(0, 10)
    const before = (await committed(topic))!
    const service = await deployment.start()
    await vi.waitFor(() => expect(service.readiness()).toEqual([]), WAIT)
    await writeAborted(deployment.settings, topic, 0)
    await vi.waitFor(async () => expect(await committed(topic)).toBe(before + 2n), WAIT)
    await deployment.stop()
    await expectExact(10)
    // The position is behind the marker, too, so that nothing depends on whether the log still has it.
    const positions = await positionsOf(topic)
    expect(positions).toContain(before + 2n)
  },
  120_000,
)

it('accepts an offset that an earlier version committed behind control markers only', async () => {
  const { topics, settings } = deployment
  await work(0, 10)
  const ends: Record<string, bigint> = {}
  for (const topic of [topics.received, topics.dedupReplay]) {
    await writeAborted(settings, topic, 0)
    ends[topic] = (await committed(topic))! + 2n
  }
  for (const [topic, end] of Object.entries(ends)) await setOffset(end, topic)
  await expectExact(10)
}, 120_000)

it('a deleted topic of starts parks no partition, and its notes are written again', async () => {
  const { topics } = deployment
  await work(0, 10)
  await emptyTopic(topics.starts)
  await expectExact(10)
  expect(await rebuild()).toContain('there is nothing to repair')
  await deleteGroup()
  await parkedWith(await deployment.start(), 'is gone')
  await deployment.stop()
  await rebuild()
  await expectExact(11)
}, 120_000)

const positionsOf = async (topic: string): Promise<(bigint | undefined)[]> =>
  (await deployment.read(deployment.topics.seen)).map((record) => positionOf(record)?.next[topic])

it('an offset that was moved by hand past a single conflict does not lose it', async () => {
  await work(0, 10)
  await deployment.send(webhook('call-0', '{"another":"body"}'))
  await setOffset(11n)
  await parkedWith(await deployment.start(), 'the state is at offset 10')
  await deployment.stop()
  expect(await rebuild()).toContain(`${deployment.topics.received}/0: dedup continues at 10`)
  await expectExact(10)
  expect((await deployment.totals()).conflicts).toBe(1)
}, 120_000)

it('the letter of a record that dedup cannot read is not written twice', async () => {
  await work(0, 10)
  const copy = await deployment.read(deployment.topics.seen)
  const { headers, ...rest } = webhook('call-invalid')
  const kept = Object.entries(headers).filter(([name]) => name !== HEADER.eventType)
  await deployment.start()
  await deployment.send({ ...rest, headers: Object.fromEntries(kept) })
  await vi.waitFor(async () => expect((await deployment.totals()).deadLettered).toBe(1), WAIT)
  await deployment.stop()
  await restore(copy)
  await parkedWith(await deployment.start(), 'the state is at offset 10')
  await deployment.stop()
  expect(await rebuild()).toContain(`${deployment.topics.received}/0: dedup continues at 11`)
  await expectExact(10)
  expect(await deployment.read(deployment.topics.dedupDlq)).toHaveLength(1)
}, 120_000)

const expectExactAfterBacklog = async (events: number): Promise<void> => {
  const service = await deployment.start()
  await vi.waitFor(() => expect(service.readiness()).toEqual([]), WAIT)
  await vi.waitFor(async () => expect(await uniqueIds()).toHaveLength(events), WAIT)
  await deployment.stop()
}
