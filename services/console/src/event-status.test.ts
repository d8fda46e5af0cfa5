import { expect, it } from 'vitest'
import { NO_LETTERS, type EventFacts, type LetterFact, type StoredEvent } from './event-facts.ts'
import { reportOf, statusOf } from './event-status.ts'

const NOW = Date.UTC(2026, 0, 1)
const stored: StoredEvent = { source: 'cxone', eventType: 't', receivedAt: NOW - 1_000, storedAt: NOW }
const facts = (changes: Partial<EventFacts> = {}): EventFacts => ({
  source: 'cxone',
  eventType: 't',
  received: 1,
  firstReceivedAt: NOW - 60_000,
  lastReceivedAt: NOW - 60_000,
  isDecided: true,
  letters: NO_LETTERS,
  ...changes,
})
const letter = (reason: LetterFact['reason'], stage: LetterFact['stage'] = 'dedup'): LetterFact => ({
  stage,
  reason,
  at: NOW,
  partition: 1,
  offset: 7n,
})
const lettersOf = (...latest: LetterFact[]) => ({
  latest,
  count: latest.length,
  conflicts: latest.filter(({ reason }) => reason === 'key_conflict').length,
  ofDedup: latest.filter(({ stage }) => stage === 'dedup').length,
})

it.each<[string, EventFacts | undefined, StoredEvent | undefined, string | undefined]>([
  ['nothing is known', undefined, undefined, undefined],
  ['its row is there', undefined, stored, 'stored'],
  [
    'its row is there after a dead letter was replayed',
    facts({ letters: lettersOf(letter('unmappable')) }),
    stored,
    'stored',
  ],
  ['dedup has not come to it', facts({ isDecided: false }), undefined, 'accepted'],
  ['dedup has only just come to it', facts({ lastReceivedAt: NOW - 1_000 }), undefined, 'accepted'],
  ['it has passed dedup', facts({ passedAt: NOW }), undefined, 'unique'],
  ['it has passed dedup and was repeated', facts({ passedAt: NOW, received: 3 }), undefined, 'unique'],
  ['only a repeat was read', facts(), undefined, 'duplicate'],
  ['another body has its key', facts({ letters: lettersOf(letter('key_conflict')) }), undefined, 'conflict'],
  [
    'it has passed dedup and another body came with its key',
    facts({ received: 2, passedAt: NOW, letters: lettersOf(letter('key_conflict')) }),
    undefined,
    'unique',
  ],
  ['it is malformed', facts({ letters: lettersOf(letter('invalid_json')) }), undefined, 'dead-lettered'],
  [
    'it has passed dedup and no mapping fits',
    facts({ passedAt: NOW, letters: lettersOf(letter('unmappable', 'normalizer')) }),
    undefined,
    'dead-lettered',
  ],
])('says where an event is when %s', (_, known, row, expected) => {
  expect(statusOf(known, row, NOW)).toBe(expected)
})

it.each<[string, Partial<EventFacts>, number | null]>([
  ['the first alone', { passedAt: NOW }, 0],
  ['the first and two repeats', { passedAt: NOW, received: 3 }, 2],
  ['a repeat whose first was not read', { received: 1 }, 1],
  ['a repeat that is not decided', { passedAt: NOW, received: 2, isDecided: false }, null],
  ['a conflict', { passedAt: NOW, received: 2, letters: lettersOf(letter('key_conflict')) }, 0],
  ['a malformed body three times', { received: 3, letters: lettersOf(letter('invalid_json')) }, 2],
  [
    'a dead letter of the normalizer',
    { passedAt: NOW, letters: lettersOf(letter('unmappable', 'normalizer')) },
    0,
  ],
])('counts duplicates: %s', (_, changes, expected) => {
  expect(reportOf('00', facts(changes), undefined, NOW)?.counts.duplicates).toBe(expected)
})

it('reports times, counts and what to do about a dead letter', () => {
  const known = facts({ received: 2, passedAt: NOW - 59_000, letters: lettersOf(letter('key_conflict')) })
  expect(reportOf('ab', known, stored, NOW)).toEqual({
    eventKey: 'ab',
    status: 'stored',
    source: 'cxone',
    eventType: 't',
    times: {
      firstReceivedAt: '2025-12-31T23:59:59.000Z',
      lastReceivedAt: '2025-12-31T23:59:00.000Z',
      passedDedupAt: '2025-12-31T23:59:01.000Z',
      storedAt: '2026-01-01T00:00:00.000Z',
    },
    counts: { received: 2, duplicates: 0, conflicts: 1, deadLetters: 1 },
    deadLetters: [
      {
        stage: 'dedup',
        reason: 'key_conflict',
        partition: 1,
        offset: '7',
        at: '2026-01-01T00:00:00.000Z',
        advice: expect.stringContaining('Compare the two') as string,
      },
    ],
  })
})
