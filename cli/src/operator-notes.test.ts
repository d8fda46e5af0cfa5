import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AuditEntry } from '@weir/contracts'
import type * as Kafka from '@weir/kafka'
import type { Command } from 'commander'
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { localActor } from './operator-notes.ts'
import { createProgram, runProgram } from './program.ts'

/** What happened, in order: a note, or that the command began to act. */
const log = vi.hoisted(() => {
  const acted = 'the command acts'
  const events: unknown[] = []
  return {
    acted,
    events,
    isDown: false,
    /** Stands for whatever changes something: the command goes no further. */
    act: (): Promise<never> => {
      events.push(acted)
      return Promise.reject(new Error(acted))
    },
  }
})

vi.mock('@weir/kafka', async (original) => {
  const real = await original<typeof Kafka>()
  return {
    ...real,
    openAuditLog: () => ({
      write: (entry: AuditEntry) => {
        log.events.push(entry)
        return log.isDown ? Promise.reject(new real.RetriableError('no broker answers')) : Promise.resolve()
      },
      close: () => Promise.resolve(),
    }),
    openMaintenance: log.act,
    endTransactions: log.act,
    openLanes: log.act,
    openTopicReader: () =>
      Promise.resolve({ readToEnd: () => Promise.resolve(), close: () => Promise.resolve() }),
    readRetentionMs: (_: unknown, topics: readonly string[]) =>
      Promise.resolve(new Map(topics.map((topic) => [topic, 604_800_000]))),
  }
})
vi.mock('@weir/dedup', async (original) => ({
  ...(await original<object>()),
  repartition: log.act,
  rebuildState: log.act,
}))
vi.mock('@weir/persistence', async (original) => ({
  ...(await original<object>()),
  backfill: log.act,
  planRetention: log.act,
  Holds: class {
    add = log.act
    release = log.act
    close = () => Promise.resolve()
  },
  Retention: class {
    unfinished = () => Promise.resolve(undefined)
    start = log.act
    close = () => Promise.resolve()
  },
}))
vi.mock('@weir/runtime', async (original) => ({ ...(await original<object>()), forgetSetting: log.act }))

const FINGERPRINT = 'f1'
/** Stands for the replay service: a letter waits for the shape. */
const server = createServer((_, response) => {
  response.end(
    JSON.stringify({ letters: [{ source: 'nice', fingerprint: FINGERPRINT, partition: 0, offset: 1 }] }),
  )
})
const home = mkdtempSync(join(tmpdir(), 'weir-noted-'))
server.listen(0, '127.0.0.1')
await once(server, 'listening')
afterAll(() => {
  server.close()
  rmSync(home, { recursive: true })
})

beforeEach(() => {
  log.events.length = 0
  log.isDown = false
  const environment = {
    WEIR_HOME: home,
    WEIR_PROFILE: 'dev',
    KAFKA_BROKERS: '127.0.0.1:1',
    SCHEMA_REGISTRY_URL: 'http://127.0.0.1:1',
    DATABASE_URL: 'postgres://127.0.0.1:1/none',
    DATABASE_OWNER_URL: 'postgres://127.0.0.1:1/none',
    BODY_HASH_KEY: 'a key of these tests, long enough to be one',
    REPLAY_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  }
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value)
})
afterEach(() => vi.unstubAllEnvs())

const run = async (args: readonly string[]) => {
  let err = ''
  vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((err += String(text)), true))
  process.exitCode = 0
  const code = await runProgram(args)
  process.exitCode = 0
  vi.restoreAllMocks()
  return { code, err, events: [...log.events] }
}

const CUSTOMER = '+15550001001'
const REASON = ['--reason', 'case 17']
const HOLD_SUBJECT = ['--source', 'nice', '--interaction', 'int-1']
const OFFSET = ['--topic', 'webhooks.unique.v1', '--partition', '0', '--to', 'start']

/** Each command that changes something by itself, and what it notes before. */
const NOTED: readonly (readonly [args: readonly string[], what: string, details: object])[] = [
  [['dedup', 'repartition', '--to', '12'], 'dedup.repartition', { to: 12 }],
  [['dedup', 'rebuild-state', '--partition', '3'], 'dedup.rebuild-state', { partition: 3, partial: false }],
  [
    ['offsets', 'set', '--service', 'normalizer', ...OFFSET],
    'offsets.set',
    { service: 'normalizer', topic: 'webhooks.unique.v1', partition: 0, to: 'start', move: false },
  ],
  [
    ['transactions', 'end', 'dedup-0', '--as', 'abort'],
    'transactions.end',
    { transactionalId: 'dedup-0', as: 'abort' },
  ],
  [
    ['shared-settings', '--forget', 'TOPIC_PARTITIONS'],
    'shared-settings.forget',
    { name: 'TOPIC_PARTITIONS' },
  ],
  [
    ['schema', 'approve', 'nice', FINGERPRINT],
    'schema.approve',
    { source: 'nice', fingerprint: FINGERPRINT },
  ],
  [['backfill', '--source', 'nice'], 'rows.backfill', { source: 'nice' }],
  [['retention', 'run', '--older-than', '400d', '--yes'], 'retention.run', { olderThan: '400d' }],
  [
    ['hold', 'add', ...HOLD_SUBJECT, ...REASON],
    'hold.add',
    { source: 'nice', interaction: 'int-1', reason: 'case 17' },
  ],
  [
    ['hold', 'add', '--customer', CUSTOMER, ...REASON],
    'hold.add',
    // sha256sum of the number: the log is never deleted.
    { customerSha256: '1ff31d298c63914ab9860b7a309fdbadce34b5fed84be5a9c9bae4d926bafe73', reason: 'case 17' },
  ],
  [['hold', 'release', '1', ...REASON], 'hold.release', { hold: '1', reason: 'case 17' }],
]

/** Nothing changes, or the service that the command asks notes it, or it prepares a deployment. */
const NOT_NOTED = [
  'start',
  'dev',
  'settings',
  'completion',
  'audit',
  'audit-log ls',
  'audit-log verify',
  'mapping test',
  'mapping check',
  'mapping fields',
  'schema ls',
  'offsets show',
  'partitions ls',
  'hold ls',
  'retention plan',
  'retention ls',
  'sources verify',
  'sources check',
  'sources settings',
  // Replay notes what these ask for.
  'dlq ls',
  'dlq show',
  'dlq export',
  'dlq replay',
  'dlq discard',
  'dlq jobs',
  'dlq approve',
  'dlq cancel',
  'schema diff',
  // These prepare a deployment, perhaps before the topic of the log exists.
  'topics',
  'db migrate',
  'schema register',
  'sources register',
  // It only hastens what happens every minute.
  'partitions resume',
]

const leaves = (command: Command, names: readonly string[] = []): readonly string[] =>
  command.commands.length === 0
    ? [names.join(' ')]
    : command.commands.flatMap((one) => leaves(one, [...names, one.name()]))

describe('a command that changes something', () => {
  it('is in the table of those that are noted, or among those that need no note', () => {
    const all = leaves(createProgram())
    const isNoted = (name: string): boolean =>
      NOTED.some(([args]) => `${args.join(' ')} `.startsWith(`${name} `))
    expect(all.filter((name) => isNoted(name) === NOT_NOTED.includes(name))).toEqual([])
    expect(NOT_NOTED.filter((name) => !all.includes(name))).toEqual([])
  })

  it.each(NOTED)('%j is noted before it acts', async (args, what, details) => {
    const { code, err, events } = await run(args)
    const who = { ...localActor(), role: 'local', service: 'weir' }
    expect(events).toEqual([{ what, who, details }, log.acted])
    expect([code, err]).toEqual([1, expect.stringContaining(log.acted)])
    expect(JSON.stringify(events)).not.toContain(CUSTOMER)
  })

  it.each(NOTED)('%j does not act when it cannot be noted', async (args, what, details) => {
    log.isDown = true
    const { code, err, events } = await run(args)
    expect(events).toEqual([expect.objectContaining({ what, details })])
    expect(code).toBe(1)
    expect(err).toContain(
      `${what} is refused, because audit.log.v1 cannot note it (no broker answers). Nothing was changed by it.`,
    )
  })

  it.each([
    [['dedup', 'repartition', '--to', '12', '--dry-run']],
    [['dedup', 'rebuild-state', '--partition', '3', '--dry-run']],
    [['backfill', '--source', 'nice', '--dry-run']],
    [['retention', 'plan', '--older-than', '400d']],
    [['retention', 'run', '--older-than', '400d']],
  ])('%j changes nothing, and works without the log', async (args) => {
    log.isDown = true
    expect((await run(args)).events).toEqual([log.acted])
  })
})
