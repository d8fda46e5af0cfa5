import { crc32 } from 'node:zlib'
import { expect, it } from 'vitest'
import type { DumpedRecord } from './evidence/dump.ts'
import { Judge } from './judge.ts'
import { NOW, sha256 } from './testing.ts'

const RECEIVED = 'webhooks.received.v1'
const LETTERS = 'dedup.dlq.v1'
const BODY_HASH = Buffer.alloc(8, 1)
const CONTENT_KEY = Buffer.alloc(16, 9)
const body = '{"action":"opened"}'
const keyOf = (id: string): Buffer => Buffer.from(sha256(id), 'hex').subarray(0, 16)
const text = (value: string): string => Buffer.from(value).toString('base64')

const recordOf = (
  topic: string,
  id: string,
  offset: number,
  headers: Readonly<Record<string, string>> = {},
): DumpedRecord => ({
  is: 'record',
  topic,
  partition: 0,
  offset,
  timestamp: NOW,
  home: 0,
  key: text('github|a/b'),
  sha256: sha256(body),
  size: body.length,
  value: text(body),
  headers: {
    source: text('github'),
    'interaction-id': text('a/b'),
    'event-type': text('opened'),
    'event-key': keyOf(id).toString('base64'),
    'body-hash': BODY_HASH.toString('base64'),
    ...(topic !== 'interactions.normalized.v1' && { 'content-key': CONTENT_KEY.toString('base64') }),
    ...headers,
  },
})

const repeatedLetter = (id: string, offset: number): DumpedRecord =>
  recordOf(LETTERS, id, offset, { 'dlq-reason': text('content_repeated') })

const derived = (kind: string, id: string): Buffer =>
  Buffer.from(sha256(Buffer.concat([Buffer.from(`${kind}\0`), keyOf(id), BODY_HASH])), 'hex').subarray(0, 16)

/** One delivery of GitHub, sent again under its id, and twice under another one, which became a letter. */
const run = ({
  letters = [repeatedLetter('other', 0)],
  unique = ['first'],
  held = [keyOf('first'), CONTENT_KEY, derived('content', 'other')],
  claims = {},
}: {
  readonly letters?: readonly DumpedRecord[]
  readonly unique?: readonly string[]
  readonly held?: readonly Buffer[]
  readonly claims?: Readonly<Record<string, number>>
}) => {
  const sent = { source: 'github', kind: 'event', sha256: sha256(body), result: 'acked' } as const
  const judge = new Judge([sent, sent, sent, sent], { isAlone: true, windowMs: 3_600_000, topicPrefix: '' })
  const entries = Buffer.concat(held.flatMap((key) => [key, BODY_HASH]))
  const head = Buffer.alloc(5, 2)
  head.writeUInt32LE(crc32(entries, crc32(Buffer.from('chunk|0|1|a'))), 1)
  const state = Buffer.concat([head, entries]).toString('base64')
  const stats = { received: 4, unique: 1, duplicates: 2, conflicts: 0, deadLettered: 1, ...claims }
  const statsText = text(JSON.stringify({ source: 'github', ...stats }))
  for (const line of [
    ...['first', 'first', 'other', 'other'].map((id, offset) => recordOf(RECEIVED, id, offset)),
    ...letters,
    ...unique.map((id, offset) => recordOf('webhooks.unique.v1', id, offset)),
    ...unique.map((id, offset) => recordOf('interactions.normalized.v1', id, offset)),
    { ...recordOf('dedup.stats.v1', 'first', 0), value: statsText },
    { ...recordOf('dedup.seen.v1', 'first', 0), key: text('chunk|0|1|a'), value: state },
  ]) {
    judge.take(line)
  }
  const key = keyOf('first').toString('hex')
  const stored = { key, source: 'github', interaction: 'a/b', sequence: null }
  judge.row({ ...stored, type: 'opened', sha256: sha256(body), is_fixed: false })
  judge.state(stored)
  return judge.conclude()
}

it('takes the letter of repeated content for its end, and its content key for a key', () => {
  const { findings, unchecked, counted } = run({})
  expect(findings).toEqual([])
  expect(counted).toMatchObject({ received: 4, events: 1, unique: 1, rows: 1, letters: 1, repeats: 2 })
  expect(unchecked).toEqual([
    expect.stringMatching(/^identities and content keys of github: .*taken from the records/),
  ])
})

it.each([
  ['repeated content without a letter', 'lost', { letters: [], claims: { deadLettered: 0, duplicates: 3 } }],
  [
    'a second letter of repeated content',
    'extra',
    {
      letters: [repeatedLetter('other', 0), repeatedLetter('other', 1)],
      claims: { deadLettered: 2, duplicates: 1 },
    },
  ],
  [
    'a letter of repeated content that was never received',
    'extra',
    { letters: [repeatedLetter('other', 0), repeatedLetter('third', 1)], claims: { deadLettered: 2 } },
  ],
  ['a content key that dedup forgot', 'lost', { held: [keyOf('first'), derived('content', 'other')] }],
  [
    'a key of no content',
    'wrong',
    { held: [keyOf('first'), CONTENT_KEY, Buffer.alloc(16, 8), derived('content', 'other')] },
  ],
  [
    'repeated content that passed as an event',
    'extra',
    { letters: [], unique: ['first', 'other'], claims: { unique: 2, deadLettered: 0 } },
  ],
] as const)('finds %s', (_, kind, changes) => {
  expect(run(changes).found[kind]).toBeGreaterThan(0)
})

it.each([
  [1_000, 1],
  [1_001, 0],
])('expects a letter of content that comes again after %i of 1000 ms: %i', (after, letters) => {
  const judge = new Judge([], { isAlone: true, windowMs: 1_000, topicPrefix: '' })
  judge.take(recordOf(RECEIVED, 'first', 0))
  judge.take({ ...recordOf(RECEIVED, 'other', 1), timestamp: NOW + after })
  const { findings } = judge.conclude()
  expect(findings.filter((finding) => finding.includes('the letter of repeated content'))).toHaveLength(
    letters,
  )
})
