import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { encodeJsonRecord, INGRESS_PREFIX, TOPIC_SPECS } from '@weir/contracts'
import { openCompactedMap, openMaintenance } from '@weir/kafka'
import { isolatedKafka } from '@weir/testkit'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Deployment, parkedWith, webhook } from '../testing/deployment.ts'
import { repartition } from './repartition.ts'

const WAIT = { timeout: 30_000, interval: 50 }
const OLD = 2
const NEW = 3

let before: Deployment
let after: Deployment

beforeEach(async () => {
  const settings = isolatedKafka('repartition', OLD)
  before = new Deployment(settings)
  after = new Deployment({ ...settings, topicPartitions: NEW })
  await before.createTopics()
})
afterEach(async () => {
  await before.close()
  await after.close()
})

const named = (name: string, count: number) =>
  Array.from({ length: count }, (_, i) => webhook(`${name}-${i}`))
const sendAll = (deployment: Deployment, records: readonly ReturnType<typeof webhook>[]) =>
  Promise.all(records.map((record) => deployment.send(record)))

const decided = (deployment: Deployment, received: number) =>
  vi.waitFor(async () => expect((await deployment.totals()).received).toBe(received), WAIT)

const seen = named('seen', 60)
const waiting = named('waiting', 30)
const conflict = webhook('seen-0', '{"another":"body"}')

const fillBefore = async (): Promise<void> => {
  await before.start()
  await sendAll(before, seen)
  await before.send(conflict)
  await decided(before, 61)
  await before.stop()
  // Nobody has read these when the partitions are added.
  await sendAll(before, waiting)
}

/** Every event once more, each to its new partition: nothing may pass twice, and what waited passes once. */
const expectExact = async (): Promise<void> => {
  await after.start()
  await decided(after, 61 + 30)
  await sendAll(after, [...seen, ...waiting, conflict, ...named('new', 10)])
  await decided(after, 91 + 101)
  expect(await after.totals()).toMatchObject({ unique: 100, duplicates: 91, conflicts: 1 })
  const unique = await after.read(after.topics.unique)
  expect(new Set(unique.map(({ key }) => key!.toString())).size).toBe(100)
  expect(new Set(unique.map(({ partition }) => partition)).size).toBe(NEW)
}

const run = (
  options: { readonly to?: number; readonly dryRun?: boolean; progress?(text: string): void } = {},
) => repartition({ settings: before.settings, to: NEW, dryRun: false, progress: () => undefined, ...options })

it('refuses partitions that were added by hand, and then gives them their keys', async () => {
  await fillBefore()
  const maintenance = await openMaintenance({
    settings: before.settings,
    service: 'dedup',
    changelogTopic: before.topics.seen,
    outputs: [],
  })
  await maintenance.addPartitions(
    TOPIC_SPECS.filter(({ coPartitioned }) => coPartitioned).map(({ role }) => before.topics[role]),
    NEW,
  )
  await maintenance.close()
  const refused = await after.start()
  await parkedWith(
    refused,
    `has the keys of ${OLD} partitions and TOPIC_PARTITIONS is ${NEW}: events would not find their keys, and repeats would pass. ` +
      `Stop every service, run \`weir dedup repartition --to ${NEW}\`, then start again.`,
  )
  await after.stop()
  await vi.waitFor(() => run(), WAIT)
  await expectExact()
  // Again: there is nothing left to do, and nothing is done.
  const lines: string[] = []
  await after.stop()
  await run({ progress: (text) => void lines.push(text) })
  expect(lines.at(-1)).toBe(`the keys are already spread over ${NEW} partitions`)
}, 120_000)

it('continues after an interruption at any step, and lets no dedup start before it has finished', async () => {
  await fillBefore()
  const lines: string[] = []
  await run({ dryRun: true, progress: (text) => void lines.push(text) })
  expect(lines).toContain('up to 30 unread records are moved to their new partitions')
  let cuts = 0
  for (let cutAt = 1; ; cutAt++) {
    let line = 0
    const progress = () => {
      if (++line === cutAt) throw new Error('cut off')
    }
    const isDone = await run({ progress }).then(
      () => true,
      (error: unknown) => {
        expect((error as Error).message).toBe('cut off')
        return false
      },
    )
    if (isDone) break
    cuts += 1
    if (cutAt !== 5) continue
    const refused = await after.start()
    await parkedWith(
      refused,
      `is being moved to ${NEW} partitions: finish that with \`weir dedup repartition --to ${NEW}\``,
    )
    await after.stop()
    await expect(run({ to: 7 })).rejects.toThrow(
      `the keys are being moved to ${NEW} partitions: finish that first`,
    )
  }
  expect(cuts).toBeGreaterThan(6)
  await expectExact()
}, 180_000)

const CLI = join(import.meta.dirname, '../../../../cli/src/main.ts')

/** `weir dedup repartition`, killed when it says what `killAt` matches. Returns the exit code; null: killed. */
const command = async (killAt?: RegExp): Promise<number | null> => {
  const { kafkaBrokers, topicPrefix } = before.settings
  const child = spawn(process.execPath, [CLI, 'dedup', 'repartition', '--to', String(NEW)], {
    env: {
      ...process.env,
      WEIR_PROFILE: 'dev',
      KAFKA_BROKERS: kafkaBrokers.join(','),
      TOPIC_PREFIX: topicPrefix,
      TOPIC_PARTITIONS: String(OLD),
    },
    stdio: ['ignore', 'inherit', 'pipe'],
  })
  const exit = once(child, 'exit')
  for await (const line of createInterface({ input: child.stderr })) {
    if (killAt?.test(line)) child.kill('SIGKILL')
  }
  const [code] = (await exit) as [number | null]
  return code
}

it('continues after kill -9', async () => {
  await fillBefore()
  for (const killAt of [
    /have been added to the topics/,
    /\/2: \d+ records from 1/,
    /\/1: \d+ records from 0/,
  ]) {
    expect(await command(killAt)).toBe(null)
  }
  expect(await command()).toBe(0)
  await expectExact()
}, 180_000)

// It looked for events that come in, and an ingress that had none at the time went on with the old count.
it('changes nothing while an idle ingress runs, and continues after one was killed', async () => {
  await fillBefore()
  const map = await openCompactedMap(before.settings, before.topics.settings)
  const alive = () =>
    map.write(`${INGRESS_PREFIX}1`, encodeJsonRecord({ host: 'edge-1', pid: 7, partitions: OLD }))
  const timer = setInterval(() => void alive(), 1_000)
  try {
    await alive()
    await expect(run()).rejects.toThrow('an ingress runs: process 7 on edge-1 with TOPIC_PARTITIONS=2')
    clearInterval(timer)
    // Leaders of the new partitions may not be known at once: the command is then made again.
    await vi.waitFor(() => run(), WAIT)
    expect([...(await map.read()).keys()]).toEqual([])
  } finally {
    clearInterval(timer)
    await map.close()
  }
  await expectExact()
}, 180_000)

/**
 * Another owner of partition 0 commits what is its last state record already; nothing else of this process runs
 * meanwhile.
 */
const commitAsAnother = (): void => {
  const { settings, topics } = before
  const script = `
    import { openMaintenance } from '@weir/kafka'
    const settings = ${JSON.stringify(settings)}
    const topic = ${JSON.stringify(topics.seen)}
    const maintenance = await openMaintenance({ settings, service: 'dedup', changelogTopic: topic, outputs: [] })
    const claim = await maintenance.claim(0)
    let last
    await maintenance.read(topic, 0, 0n, (records) => { last = records.at(-1) })
    await claim.commit([{ topic, partition: 0, key: last.key, value: last.value, headers: {} }])
    await claim.close()
    await maintenance.close()`
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
  })
  expect(status, stderr).toBe(0)
}

it('changes nothing when another owner has written after its positions were read', async () => {
  await fillBefore()
  const progress = (text: string): void => {
    if (text.startsWith(`from ${OLD} to ${NEW} partitions`)) commitAsAnother()
  }
  await expect(run({ progress })).rejects.toThrow(
    '/0 changed while it was read: a dedup process is still running',
  )
  await before.start()
  await decided(before, 91)
  await before.stop()
  await vi.waitFor(() => run(), WAIT)
  await after.start()
  await sendAll(after, [...seen, ...waiting])
  await decided(after, 91 + 90)
  expect(await after.totals()).toMatchObject({ unique: 90, conflicts: 1 })
}, 180_000)

it('changes nothing while dedup runs, or while events come in, or for fewer partitions', async () => {
  await before.start()
  await sendAll(before, seen)
  await decided(before, 60)
  await expect(run()).rejects.toThrow('dedup runs: its group has 1 members')
  await before.stop()
  await expect(run({ to: 1 })).rejects.toThrow('there are 2 partitions: Kafka can only add partitions')
  const timer = setInterval(() => void before.send(webhook(`late-${Date.now()}`)), 200)
  try {
    await expect(run()).rejects.toThrow('stop every ingress first')
  } finally {
    clearInterval(timer)
  }
  await before.start()
  await vi.waitFor(async () => {
    const { received, unique } = await before.totals()
    expect(received).toBeGreaterThan(60)
    expect(unique).toBe(received)
  }, WAIT)
}, 120_000)
