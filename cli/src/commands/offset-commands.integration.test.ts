import { eventKeyOf, HEADER, PROCESSORS, TOPIC_SPECS, topicNames } from '@weir/contracts'
import { ensureTopics, openLanes, openMaintenance } from '@weir/kafka'
import { createLogger } from '@weir/runtime'
import { isolatedKafka } from '@weir/testkit'
import { expect, it, vi } from 'vitest'
import { decidedBefore } from './decided-before.ts'
import { offsetRows, setOffset, setWith, type SetOptions } from './offset-commands.ts'

const settings = isolatedKafka('offsets', 1)
const topics = topicNames(settings.topicPrefix)
const logger = createLogger('offsets-test', 'silent')
const WAIT = { timeout: 30_000, interval: 50 }

const write = async (
  topic: string,
  headers: readonly Record<string, string | Buffer>[],
  of = settings,
): Promise<void> => {
  const lanes = await openLanes({
    settings: of,
    logger,
    topic,
    lingerMs: 1,
    deadlineMs: 20_000,
    batchRecordsMax: 500,
    batchBytesMax: 1_000_000,
    queueBytesMax: 20_000_000,
  })
  for (const one of headers) {
    const encoded = Object.entries(one).map(([name, value]) => [name, Buffer.from(value)] as const)
    await lanes.send(0, {
      key: Buffer.from('k'),
      value: Buffer.from('v'),
      headers: Object.fromEntries(encoded),
    })
  }
  await lanes.close()
}

const event = (id: number) => ({ [HEADER.eventKey]: eventKeyOf('cxone', String(id)) })
const letter = (topic: string, offset: number) => ({
  [HEADER.dlqSourceTopic]: topic,
  [HEADER.dlqSourcePartition]: '0',
  [HEADER.dlqSourceOffset]: String(offset),
})

it('finds where a processor continues from its outputs, and sets only lost offsets', async () => {
  await ensureTopics({ settings, logger, specs: TOPIC_SPECS, replicationFactor: 1, minInsyncReplicas: 1 })
  await vi.waitFor(
    () =>
      write(
        topics.unique,
        Array.from({ length: 10 }, (_, id) => event(id)),
      ),
    WAIT,
  )
  // 0 to 4 are decided: 1 is a letter that came back, 4 is one that waits.
  await write(topics.normalizerReplay, [event(1), event(4)])
  await write(
    topics.normalized,
    [0, 2, 3, 1].map((id) => event(id)),
  )
  await write(topics.normalizerDlq, [letter(topics.unique, 1), letter(topics.unique, 4)])
  const maintenance = await openMaintenance({
    settings,
    service: 'normalizer',
    outputs: PROCESSORS.normalizer.outputs.map((role) => topics[role]),
  })
  try {
    const at = async (topic: string) =>
      (await decidedBefore(maintenance, topics, 'normalizer', topic, 0))?.offset
    expect(await at(topics.unique)).toBe(5n)
    expect(await at(topics.normalizerReplay)).toBe(1n)

    const lines: string[] = []
    const set = (options: Partial<SetOptions>) =>
      setOffset(
        settings,
        { service: 'normalizer', topic: topics.unique, partition: 0, to: 5n, move: false, ...options },
        (text) => void lines.push(text),
      )
    await expect(set({ to: 11n })).rejects.toThrow('has the offsets 0 to 10')
    await expect(set({ topic: topics.stats })).rejects.toThrow('normalizer reads')
    await expect(set({ partition: 1 })).rejects.toThrow('has 1 partitions')
    await expect(set({ service: 'dedup' })).rejects.toThrow('weir dedup rebuild-state --partition 0')
    // The group's coordinator may still begin.
    await vi.waitFor(() => set({}), WAIT)
    expect(lines).toEqual([`${topics.unique}/0: offset none is 5 now`])
    await expect(set({ to: 'end' })).rejects.toThrow('has offset 5')
    await set({ to: 'end', move: true })
    const rows = JSON.parse(JSON.stringify(await offsetRows(settings, { service: 'normalizer' }))) as unknown
    expect(rows).toMatchObject([
      { topic: topics.unique, partition: 0, offset: 10, start: 0, end: 10 },
      { topic: topics.normalizerReplay, partition: 0, offset: null, start: 0, end: 2 },
    ])
    expect((await maintenance.committed([topics.unique], 0)).get(topics.unique)).toBe(10n)
  } finally {
    await maintenance.close()
  }
}, 60_000)

it('treats an event that came again after the window as undecided until it was decided', async () => {
  const own = isolatedKafka('again', 1)
  const of = topicNames(own.topicPrefix)
  await ensureTopics({
    settings: own,
    logger,
    specs: TOPIC_SPECS,
    replicationFactor: 1,
    minInsyncReplicas: 1,
  })
  const maintenance = await openMaintenance({
    settings: own,
    service: 'normalizer',
    outputs: PROCESSORS.normalizer.outputs.map((role) => of[role]),
  })
  try {
    await vi.waitFor(() => write(of.unique, [event(0), event(1), event(2)], own), WAIT)
    await write(of.normalized, [event(0), event(1)], own)
    // 1 comes once more, long after it was decided; 2, 3 and 1 wait.
    await write(of.unique, [event(3), event(1)], own)
    const at = async () => (await decidedBefore(maintenance, of, 'normalizer', of.unique, 0))?.offset
    expect(await at()).toBe(2n)
    await write(of.normalized, [event(2), event(3), event(1)], own)
    expect(await at()).toBe(5n)
  } finally {
    await maintenance.close()
  }
}, 60_000)

it('does not set an offset that another process has set while the command slept', async () => {
  const own = isolatedKafka('slept', 1)
  const of = topicNames(own.topicPrefix)
  await ensureTopics({
    settings: own,
    logger,
    specs: TOPIC_SPECS,
    replicationFactor: 1,
    minInsyncReplicas: 1,
  })
  const maintenance = await openMaintenance({
    settings: own,
    service: 'normalizer',
    outputs: PROCESSORS.normalizer.outputs.map((role) => of[role]),
  })
  try {
    await vi.waitFor(() => write(of.unique, [event(0), event(1), event(2)], own), WAIT)
    const options = { service: 'normalizer', topic: of.unique, partition: 0, to: 1n, move: false } as const
    const set = (through: typeof maintenance) => setWith(through, of, options, () => undefined)
    const sleeper = {
      ...maintenance,
      claim: async (partition: number) => {
        // Another call, and a stage that goes on from there.
        await set(maintenance)
        const stage = await maintenance.claim(partition)
        await stage.commit([], { [of.unique]: 3n })
        await stage.close()
        return maintenance.claim(partition)
      },
    }
    await vi.waitFor(() => expect(set(sleeper)).rejects.toThrow('has offset 3'), WAIT)
    expect((await maintenance.committed([of.unique], 0)).get(of.unique)).toBe(3n)
  } finally {
    await maintenance.close()
  }
}, 60_000)
