import { expect, it } from 'vitest'
import type { DumpedRecord } from './evidence/dump.ts'
import type { FindingKind } from './findings.ts'
import { Judge } from './judge.ts'
import { MALFORMED, NOW, sha256, step, worldOf, type Sent, type World } from './testing.ts'

const WINDOW_MS = 3_600_000
const UNIQUE = 'webhooks.unique.v1'
const NORMALIZED = 'interactions.normalized.v1'

/**
 * Two calls, repeats, another body under a key, a malformed body twice, a forged request, and two of nobody knows what.
 */
const REQUESTS: readonly Sent[] = [
  { body: step('one', 1) },
  { body: step('two', 1) },
  { body: step('one', 1) },
  { body: step('one', 2) },
  { body: step('one', 2, 'another') },
  { body: step('one', 2, 'another') },
  { body: step('one', 3) },
  { body: MALFORMED, kind: 'malformed' },
  { body: MALFORMED, kind: 'malformed' },
  { body: step('forged', 1), kind: 'forged', result: 'refused' },
  { body: step('two', 2), result: 'unknown' },
  { body: step('two', 3), result: 'failed' },
]

const verdictOf = (world: World, isAlone = true, unknownSources?: ReadonlySet<string>) => {
  const judge = new Judge(world.sent, {
    isAlone,
    windowMs: WINDOW_MS,
    topicPrefix: '',
    ...(unknownSources && { unknownSources }),
  })
  for (const line of world.lines) judge.take(line)
  for (const row of world.rows) judge.row(row)
  for (const state of world.states) judge.state(state)
  return judge.conclude()
}

const kindsOf = (world: World, isAlone?: boolean): readonly FindingKind[] => {
  const { found } = verdictOf(world, isAlone)
  return (Object.keys(found) as FindingKind[]).filter((kind) => found[kind] > 0)
}

const doctored = (doctor: (world: World) => void): World => {
  const world = worldOf(REQUESTS)
  doctor(world)
  return world
}

const recordsOf = (world: World, topic: string): DumpedRecord[] =>
  world.lines.filter((line): line is DumpedRecord => line.is === 'record' && line.topic === topic)

const replace = (world: World, record: DumpedRecord, ...by: readonly DumpedRecord[]): void =>
  void world.lines.splice(world.lines.indexOf(record), 1, ...by)

const swap = (world: World, one: DumpedRecord, other: DumpedRecord): void => {
  const [from, to] = [world.lines.indexOf(one), world.lines.indexOf(other)]
  world.lines[from] = { ...other, offset: one.offset }
  world.lines[to] = { ...one, offset: other.offset }
}

/** As if another had been counted: the product's own counts agree with what it did. */
const claim = (world: World, changes: Readonly<Record<string, number>>): void => {
  const [stats] = recordsOf(world, 'dedup.stats.v1')
  const counts = JSON.parse(Buffer.from(stats!.value!, 'base64').toString()) as Record<string, number>
  for (const [name, by] of Object.entries(changes)) counts[name]! += by
  replace(world, stats!, { ...stats!, value: Buffer.from(JSON.stringify(counts)).toString('base64') })
}

const anotherKey = { 'event-key': Buffer.alloc(16, 7).toString('base64') }

it('finds nothing where nothing is wrong', () => {
  const report = verdictOf(worldOf(REQUESTS))
  expect(report.findings).toEqual([])
  expect(report.ok).toBe(true)
  expect(report.counted).toMatchObject({
    requests: 12,
    received: 9,
    events: 4,
    unique: 4,
    rows: 4,
    letters: 2,
  })
  expect(report.counted.repeats).toBe(3)
})

const FAULTS: readonly [string, FindingKind, (world: World) => void][] = [
  ['a row that is lost', 'lost', (world) => world.rows.splice(1, 1)],
  [
    'an event that dedup dropped, counted as a duplicate, and that is nowhere',
    'lost',
    (world) => {
      const lost = recordsOf(world, UNIQUE)[2]!
      const isIt = ({ topic, headers }: DumpedRecord): boolean =>
        topic !== 'webhooks.received.v1' && headers['event-key'] === lost.headers['event-key']
      world.lines = world.lines.filter((line) => line.is !== 'record' || !isIt(line))
      world.rows = world.rows.filter(({ sequence }) => sequence !== '2')
      claim(world, { unique: -1, duplicates: 1 })
    },
  ],
  [
    'an acknowledged request that is not on the topic',
    'lost',
    (world) =>
      world.sent.push({ source: 'cxone', kind: 'event', sha256: sha256(step('three', 1)), result: 'acked' }),
  ],
  ['an acknowledged repeat that is not on the topic', 'lost', (world) => world.sent.push(world.sent[0]!)],
  ['a malformed body without a letter', 'lost', (world) => remove(world, 'dedup.dlq.v1', 1)],
  ['another body without a letter', 'lost', (world) => remove(world, 'dedup.dlq.v1', 0)],
  ['an event that normalizer lost', 'lost', (world) => remove(world, NORMALIZED, 0)],
  ['an interaction without a state', 'lost', (world) => world.states.pop()],
  ['a key that dedup forgot', 'lost', (world) => remove(world, 'dedup.seen.v1', 0)],
  [
    'an event twice on the topic of unique ones, counted as unique',
    'extra',
    (world) => {
      const record = recordsOf(world, UNIQUE)[0]!
      replace(world, record, record, { ...record, offset: 99 })
      claim(world, { unique: 1, duplicates: -1 })
    },
  ],
  [
    'an event twice on the topic of normalized ones',
    'extra',
    (world) => {
      const record = recordsOf(world, NORMALIZED)[0]!
      replace(world, record, record, { ...record, offset: 99 })
    },
  ],
  [
    'a second letter',
    'extra',
    (world) => {
      const record = recordsOf(world, 'dedup.dlq.v1')[1]!
      replace(world, record, record, { ...record, offset: 99 })
      claim(world, { deadLettered: 1, duplicates: -1 })
    },
  ],
  [
    'a second row of one body under another key',
    'extra',
    (world) => {
      world.rows.push({ ...world.rows[0]!, key: '07'.repeat(16) })
      const record = recordsOf(world, UNIQUE)[0]!
      replace(world, record, record, { ...record, offset: 99, headers: { ...record.headers, ...anotherKey } })
      claim(world, { unique: 1, duplicates: -1 })
    },
  ],
  [
    'a second row of one body under another key, with nothing on the topics',
    'extra',
    (world) => world.rows.push({ ...world.rows[0]!, key: '07'.repeat(16) }),
  ],
  [
    'a row and a letter',
    'extra',
    (world) => {
      const record = recordsOf(world, NORMALIZED)[0]!
      world.lines.push({ ...record, topic: 'persistence.dlq.v1' })
    },
  ],
  [
    'a row that nobody has sent',
    'extra',
    (world) => world.rows.push({ ...world.rows[0]!, key: '08'.repeat(16), sha256: sha256('x') }),
  ],
  [
    'a forged request that got in',
    'extra',
    (world) =>
      Object.assign(
        world,
        worldOf(REQUESTS.map((one) => (one.kind === 'forged' ? { ...one, result: 'acked' as const } : one))),
      ),
  ],
  [
    'events of an interaction that overtook each other in dedup',
    'order',
    (world) => {
      const [first, , second] = recordsOf(world, UNIQUE)
      swap(world, first!, second!)
    },
  ],
  [
    'events of an interaction that overtook each other in normalizer',
    'order',
    (world) => {
      const [first, , second] = recordsOf(world, NORMALIZED)
      swap(world, first!, second!)
    },
  ],
  ['another body in a row', 'wrong', (world) => (world.rows[0] = { ...world.rows[0]!, sha256: sha256('x') })],
  [
    'another body on the topic of unique ones',
    'wrong',
    (world) => {
      const record = recordsOf(world, UNIQUE)[0]!
      replace(world, record, { ...record, sha256: sha256('x') })
    },
  ],
  [
    'another event key than the body says',
    'wrong',
    (world) => {
      const record = recordsOf(world, 'webhooks.received.v1')[1]!
      replace(world, record, { ...record, headers: { ...record.headers, ...anotherKey } })
    },
  ],
  [
    'a record in a partition that is not its key’s',
    'wrong',
    (world) => {
      const record = recordsOf(world, 'webhooks.received.v1')[1]!
      replace(world, record, { ...record, home: 3 })
    },
  ],
  ['another sequence in a row', 'wrong', (world) => (world.rows[2] = { ...world.rows[2]!, sequence: '7' })],
  [
    'a state that is not the latest',
    'wrong',
    (world) => {
      const { key, source, interaction, sequence } = world.rows[0]!
      world.states[0] = { key, source, interaction, sequence }
    },
  ],
  [
    'a damaged chunk of keys',
    'wrong',
    (world) => {
      const record = recordsOf(world, 'dedup.seen.v1')[0]!
      const value = Buffer.from(record.value!, 'base64')
      value[20]! ^= 1
      replace(world, record, { ...record, value: value.toString('base64') })
    },
  ],
  [
    'a position that is not the committed offset',
    'wrong',
    (world) =>
      world.lines.push({
        is: 'commit',
        group: 'dedup',
        topic: 'webhooks.received.v1',
        partition: 0,
        offset: 8,
      }),
  ],
  ['a count that is too low', 'sums', (world) => claim(world, { received: -1, duplicates: -1 })],
  ['a count that is too high', 'sums', (world) => claim(world, { received: 1, duplicates: 1 })],
  [
    'a transaction that is open',
    'open',
    (world) =>
      world.lines.push({ is: 'partition', topic: UNIQUE, partition: 1, start: 0, stable: 3, high: 5 }),
  ],
]

const remove = (world: World, topic: string, index: number): void =>
  replace(world, recordsOf(world, topic)[index]!)

it.each(FAULTS)('finds %s', (_, kind, doctor) => {
  expect(kindsOf(doctored(doctor))).toContain(kind)
})

it('expects one letter, and nothing else, of what lies in a wrong partition', () => {
  const world = worldOf(REQUESTS)
  const last = recordsOf(world, 'webhooks.received.v1').at(-1)!
  const record = recordsOf(world, 'webhooks.received.v1')[1]!
  const misplaced = { ...record, partition: 1, home: 0, offset: 0 }
  world.lines.splice(world.lines.indexOf(last) + 1, 0, misplaced, { ...misplaced, offset: 1 })
  claim(world, { received: 2, deadLettered: 1, duplicates: 1 })
  expect(kindsOf(world)).toEqual(['lost', 'wrong', 'sums'])
  const headers = { ...record.headers, 'dlq-reason': Buffer.from('wrong_partition').toString('base64') }
  const letter = { ...misplaced, topic: 'dedup.dlq.v1', headers }
  const letters = recordsOf(world, 'dedup.dlq.v1')
  world.lines.splice(world.lines.indexOf(letters[0]!), 0, letter)
  // It is found all the same, because somebody put it there.
  expect(verdictOf(world).found).toMatchObject({ lost: 0, extra: 0, wrong: 2, sums: 0 })
})

it('takes what came without an answer, once, and misses nothing that failed', () => {
  const unknown = REQUESTS.map((one) => (one.result === 'unknown' ? { body: one.body } : one))
  const world = worldOf(unknown)
  world.sent = worldOf(REQUESTS).sent
  expect(verdictOf(world).findings).toEqual([])
})

it('leaves rows of others alone where there are others', () => {
  const world = doctored(({ rows }) => rows.push({ ...rows[0]!, key: '08'.repeat(16), sha256: sha256('x') }))
  expect(kindsOf(world, false)).toEqual([])
  expect(verdictOf(world, false).counted.foreign).toBe(1)
})

it('lets a key pass again after the window, and says that its repeats were not compared', () => {
  const world = worldOf(REQUESTS)
  const later = NOW + 2 * WINDOW_MS
  for (const topic of ['webhooks.received.v1', UNIQUE, NORMALIZED]) {
    const record = recordsOf(world, topic)[0]!
    world.lines.splice(world.lines.indexOf(recordsOf(world, topic).at(-1)!) + 1, 0, {
      ...record,
      offset: 99,
      timestamp: later,
    })
  }
  claim(world, { received: 1, unique: 1 })
  const report = verdictOf(world)
  expect(report.findings).toEqual([])
  expect(report.unchecked).toEqual(['duplicates: 1 repeats came after the dedup window'])
})

it('ends an event at the letter of a later stage, until that returns', () => {
  const world = worldOf(REQUESTS)
  const record = recordsOf(world, NORMALIZED)[3]!
  const row = world.rows.pop()!
  world.lines.push({ ...record, topic: 'persistence.dlq.v1', offset: 5 })
  world.states[0] = { ...world.rows[2]!, source: 'cxone' }
  expect(verdictOf(world).findings).toEqual([])
  world.rows.push(row)
  world.states[0] = { ...row, source: 'cxone' }
  expect(kindsOf(world)).toEqual(['extra', 'sums'])
  const returned = { ...record.headers, 'replay-of': Buffer.from('persistence/0/5').toString('base64') }
  // Replays are read before letters.
  world.lines.splice(-1, 0, { ...record, topic: 'persistence.replay.v1', headers: returned })
  expect(verdictOf(world).findings).toEqual([])
})

it('a row that a receipt of retention counts is not lost, and nothing else is excused by it', () => {
  const judged = (receipts: number, missing: number) => {
    const world = worldOf(REQUESTS)
    const judge = new Judge(world.sent, { isAlone: true, windowMs: WINDOW_MS, topicPrefix: '' })
    for (const line of world.lines) judge.take(line)
    for (const row of world.rows.slice(missing)) judge.row(row)
    for (const state of world.states) judge.state(state)
    judge.deleted(new Map([['cxone', receipts]]))
    const { found } = judge.conclude()
    return [found.lost, found.sums]
  }
  expect(judged(1, 1)).toEqual([0, 0])
  expect(judged(0, 1)).toEqual([1, 1])
  expect(judged(1, 2)).toEqual([1, 1])
  expect(judged(1, 0)).toEqual([0, 1])
})

it('judges a source of a sources file by its records, says so, and still finds what is lost', () => {
  const named = new Set(['cxone'])
  const report = verdictOf(worldOf(REQUESTS), true, named)
  expect(report).toMatchObject({ ok: true, findings: [] })
  expect(report.unchecked).toEqual([expect.stringContaining(`identities and content keys of cxone`)])
  const withoutRow = verdictOf(
    doctored(({ rows }) => void rows.splice(0, 1)),
    true,
    named,
  )
  expect(withoutRow.found.lost).toBeGreaterThan(0)
})
