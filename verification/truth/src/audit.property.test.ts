import fc from 'fast-check'
import { expect, it } from 'vitest'
import { audit } from './audit.ts'
import type { Observed, ObservedLetter, ObservedRow, SourceCounts } from './observed.ts'
import type { FinishedOperation } from './operation.ts'

const SOURCE = 's'
const NOTHING: Observed = { onTopic: 0, rows: [], letters: [], returns: [], counts: new Map() }
const operation = fc.record({
  source: fc.constant(SOURCE),
  kind: fc.constantFrom('event' as const, 'event' as const, 'malformed' as const, 'forged' as const),
  key: fc.nat(8),
  body: fc.nat(2),
  result: fc.constantFrom('acked' as const, 'acked' as const, 'unknown' as const, 'failed' as const),
})

const finished = ({
  source,
  kind,
  key,
  body,
  result,
}: typeof operation extends fc.Arbitrary<infer T> ? T : never): FinishedOperation => ({
  source,
  kind,
  rawHash: `${kind}-${key}-${body}`,
  result: kind === 'forged' ? 'refused' : result,
  ...(kind === 'event' && { eventKey: `key-${key}` }),
})

/** What a correct pipeline leaves: of the unknown ones, those that `arrives` says. */
const perfect = (truth: readonly FinishedOperation[], arrives: (index: number) => boolean): Observed => {
  const rows = new Map<string, { source: string; eventKey: string; rawHash: string }>()
  const letters = new Map<string, ObservedLetter>()
  let onTopic = 0
  const counts = { received: 0, returned: 0, unique: 0, duplicates: 0, conflicts: 0, deadLettered: 0 }
  for (const [index, { source, kind, eventKey = '', rawHash, result }] of truth.entries()) {
    if (kind === 'forged' || result === 'failed' || (result === 'unknown' && !arrives(index))) continue
    onTopic += 1
    counts.received += 1
    const there = rows.get(eventKey)
    const id = `${eventKey} ${rawHash}`
    if (kind === 'event' && there === undefined) {
      rows.set(eventKey, { source, eventKey, rawHash })
      counts.unique += 1
    } else if (there?.rawHash === rawHash || letters.has(id)) {
      counts.duplicates += 1
    } else {
      const reason = kind === 'event' ? 'key_conflict' : 'invalid_json'
      letters.set(id, { source, eventKey, rawHash, stage: 'dedup', reason, place: `dedup/0/${index}` })
      counts[kind === 'event' ? 'conflicts' : 'deadLettered'] += 1
    }
  }
  return {
    onTopic,
    rows: [...rows.values()],
    letters: [...letters.values()],
    returns: [],
    counts: new Map([[SOURCE, counts]]),
  }
}

const arbitrary = fc
  .tuple(fc.array(operation, { maxLength: 40 }), fc.infiniteStream(fc.boolean()))
  .map(([list, coins]) => {
    const truth = list.map(finished)
    const arriving: boolean[] = truth.map(() => coins.next().value === true)
    return { truth, observed: perfect(truth, (index) => arriving[index]!) }
  })

it('finds nothing in what a correct pipeline leaves', () => {
  fc.assert(
    fc.property(arbitrary, ({ truth, observed }) => {
      expect(audit(truth, observed)).toMatchObject({
        lost: 0,
        extra: 0,
        ledgerResidue: 0,
        foreign: 0,
        findings: [],
      })
    }),
    { numRuns: 500 },
  )
})

/**
 * What a broken pipeline does to what a correct one leaves; undefined: it cannot, here. `at` chooses among the victims.
 */
type Fault = (truth: readonly FinishedOperation[], observed: Observed, at: number) => Observed | undefined

const pickOf = <T>(list: readonly T[], at: number): T | undefined => list[at % list.length]
const without = <T>(list: readonly T[], one: T): T[] => list.filter((other) => other !== one)

const LOSSES: Readonly<Record<string, Fault>> = {
  'a row of an acknowledged event is gone': (truth, observed, at) => {
    const acked = new Set(truth.filter(({ result }) => result === 'acked').map(({ eventKey }) => eventKey))
    const victim = pickOf(
      observed.rows.filter(({ eventKey }) => acked.has(eventKey)),
      at,
    )
    return victim && { ...observed, rows: without(observed.rows, victim) }
  },
  'a letter of an acknowledged body is gone': (truth, observed, at) => {
    const acked = new Set(truth.filter(({ result }) => result === 'acked').map(({ rawHash }) => rawHash))
    const victim = pickOf(
      observed.letters.filter(({ rawHash }) => acked.has(rawHash)),
      at,
    )
    return victim && { ...observed, letters: without(observed.letters, victim) }
  },
}

const planted = (operation: FinishedOperation | undefined, observed: Observed): Observed | undefined => {
  if (operation === undefined) return undefined
  const { source, eventKey = 'none', rawHash } = operation
  return { ...observed, rows: [...observed.rows, { source, eventKey, rawHash }] }
}

const EXTRAS: Readonly<Record<string, Fault>> = {
  'a row is there twice': (_, observed, at) => {
    const row = pickOf(observed.rows, at)
    return row && { ...observed, rows: [...observed.rows, row] }
  },
  'a letter is there twice': (_, observed, at) => {
    const letter = pickOf(observed.letters, at)
    return letter && { ...observed, letters: [...observed.letters, letter] }
  },
  'an event is a row and a letter of the normalizer': (_, observed, at) => {
    const row = pickOf(observed.rows, at)
    const letter = row && {
      ...row,
      stage: 'normalizer' as const,
      reason: 'unmappable',
      place: 'normalizer/0/0',
    }
    return letter && { ...observed, letters: [...observed.letters, letter] }
  },
  'a row has a body that was never sent': (_, observed, at) => {
    const row = pickOf(observed.rows, at)
    if (row === undefined) return undefined
    const altered: ObservedRow = { ...row, rawHash: 'never sent' }
    return { ...observed, rows: [...without(observed.rows, row), altered] }
  },
  'a forged request is a row': (truth, observed, at) =>
    planted(
      pickOf(
        truth.filter(({ kind }) => kind === 'forged'),
        at,
      ),
      observed,
    ),
  'a malformed body is a row': (truth, observed, at) =>
    planted(
      pickOf(
        truth.filter(({ kind }) => kind === 'malformed'),
        at,
      ),
      observed,
    ),
  'an event that was never taken is a row': (truth, observed, at) => {
    const taken = new Set(truth.filter(({ result }) => result !== 'failed').map(({ eventKey }) => eventKey))
    const never = truth.filter(({ kind, eventKey }) => kind === 'event' && !taken.has(eventKey))
    return planted(pickOf(never, at), observed)
  },
}

const miscounted =
  (name: keyof SourceCounts): Fault =>
  (_, observed, at) => ({
    ...observed,
    counts: new Map(
      [...observed.counts].map(([source, counts]) => [
        source,
        { ...counts, [name]: counts[name] + 1 + (at % 3) },
      ]),
    ),
  })

const RESIDUES: Readonly<Record<string, Fault>> = {
  'received is counted too high': miscounted('received'),
  'unique is counted too high': miscounted('unique'),
  'duplicates are counted too high': miscounted('duplicates'),
  'conflicts are counted too high': miscounted('conflicts'),
  'dead letters are counted too high': miscounted('deadLettered'),
  'a record was never read': (_, observed) => ({ ...observed, onTopic: observed.onTopic + 1 }),
  'the counts of a source are gone': (_, observed) =>
    observed.onTopic === 0 ? undefined : { ...observed, counts: new Map() },
  'a row of a source without counts': (_, observed) => ({
    ...observed,
    rows: [...observed.rows, { source: 'other', eventKey: 'k', rawHash: 'h' }],
  }),
}

const CASES = (
  [
    ['lost', LOSSES],
    ['extra', EXTRAS],
    ['ledgerResidue', RESIDUES],
  ] as const
).flatMap(([verdict, faults]) => Object.entries(faults).map(([name, fault]) => ({ name, verdict, fault })))

it.each(CASES)('finds it when $name', ({ verdict, fault }) => {
  let applied = 0
  fc.assert(
    fc.property(arbitrary, fc.nat(), ({ truth, observed }, at) => {
      const broken = fault(truth, observed, at)
      if (broken === undefined) return
      applied += 1
      const report = audit(truth, broken)
      expect(report[verdict]).toBeGreaterThan(0)
      expect(report.findings).not.toEqual([])
    }),
    { numRuns: 300 },
  )
  expect(applied).toBeGreaterThan(50)
})

it('takes off the rows that were there before', () => {
  const truth: FinishedOperation[] = [
    { source: SOURCE, kind: 'event', eventKey: 'k', rawHash: 'h', result: 'acked' },
  ]
  const row = { source: SOURCE, eventKey: 'k', rawHash: 'h' }
  const counts = { received: 1, returned: 0, unique: 1, duplicates: 0, conflicts: 0, deadLettered: 0 }
  const observed = {
    onTopic: 1,
    letters: [],
    returns: [],
    rows: [{ ...row, eventKey: 'old', rawHash: 'other' }, row],
    counts: new Map([[SOURCE, counts]]),
    strangeRows: new Map([[SOURCE, 1]]),
  }
  expect(audit(truth, observed)).toMatchObject({ lost: 0, extra: 0, ledgerResidue: 0, foreign: 1 })
  const twice = { ...observed, rows: [...observed.rows, row] }
  expect(audit(truth, twice)).toMatchObject({ extra: 1, ledgerResidue: 1 })
})

it('takes a row that a receipt of retention counts for the end of an event, and excuses nothing else', () => {
  const truth = ['k', 'l'].map((eventKey): FinishedOperation => ({
    source: SOURCE,
    kind: 'event',
    eventKey,
    rawHash: 'h',
    result: 'acked',
  }))
  const counts = { received: 2, returned: 0, unique: 2, duplicates: 0, conflicts: 0, deadLettered: 0 }
  const judged = (deleted: number, keys: readonly string[]) => {
    const { lost, ledgerResidue } = audit(truth, {
      ...NOTHING,
      onTopic: 2,
      rows: keys.map((eventKey) => ({ source: SOURCE, eventKey, rawHash: 'h' })),
      counts: new Map([[SOURCE, counts]]),
      deletedRows: new Map([[SOURCE, deleted]]),
    })
    return [lost, ledgerResidue]
  }
  expect(judged(1, ['k'])).toEqual([0, 0])
  expect(judged(0, ['k'])).toEqual([1, 1])
  expect(judged(1, [])).toEqual([1, 1])
  expect(judged(1, ['k', 'l'])).toEqual([0, 1])
})

it('finds what was forged, and leaves alone what is not ours', () => {
  const truth: FinishedOperation[] = [{ source: SOURCE, kind: 'forged', rawHash: 'x', result: 'refused' }]
  const row = { source: SOURCE, eventKey: 'k', rawHash: 'x' }
  expect(audit(truth, { ...NOTHING, rows: [row] })).toMatchObject({ extra: 1, foreign: 0 })
  const other = { ...row, rawHash: 'y' }
  expect(audit(truth, { ...NOTHING, rows: [other] })).toMatchObject({ extra: 0, foreign: 1 })
})

it('finds counts that do not add up', () => {
  const counts = { received: 5, returned: 0, unique: 2, duplicates: 1, conflicts: 0, deadLettered: 1 }
  const observed = { ...NOTHING, onTopic: 6, counts: new Map([[SOURCE, counts]]) }
  expect(audit([], observed).ledgerResidue).toBe(1 + 1 + 2)
})

it('finds a second row of one body under another key', () => {
  const truth: FinishedOperation[] = [
    { source: SOURCE, kind: 'event', eventKey: 'key-1', rawHash: 'a', result: 'acked' },
  ]
  const observed = perfect(truth, () => true)
  const rows = [...observed.rows, { source: SOURCE, eventKey: 'key-2', rawHash: 'a' }]
  expect(audit(truth, { ...observed, rows })).toMatchObject({ lost: 0, extra: 1 })
})
