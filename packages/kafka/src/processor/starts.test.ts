import { expect, it } from 'vitest'
import type { ClusterReads } from '../read/cluster-reads.ts'
import { readStarts } from './starts.ts'

const NOTE = '{"format":1,"from":"5"}'

/** Reads the notes of a group from a log of these records. */
const startsIn = (log: readonly (readonly [key: string, value: string | null])[]) => {
  const records = log.map(([key, value], offset) => ({
    key: Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    offset: BigInt(offset),
    topic: 'started',
    partition: 0,
    timestamp: 0,
    headers: {},
  }))
  const end = BigInt(records.length)
  const reads = {
    logRange: () => Promise.resolve({ start: 0n, end }),
    fetch: () => Promise.resolve({ errorCode: 0, nextOffset: end, records }),
    clock: { now: () => 0 },
  } as unknown as ClusterReads
  return readStarts(reads, { topic: 'started', partition: 0 }, 'g', ['in'])
}

it('the error for an unreadable note has its topic, partition and offset', async () => {
  await expect(startsIn([['g|in', '{']])).rejects.toThrow(
    'started/0, offset 0: this is not the note of a start',
  )
})

it('the last record of a key counts, compacted or not: another note or a tombstone repairs one that cannot be read', async () => {
  expect(
    await startsIn([
      ['g|in', '{'],
      ['g|in', NOTE],
    ]),
  ).toEqual(new Map([['in', { from: 5n }]]))
  expect(
    await startsIn([
      ['g|in', '{'],
      ['g|in', null],
    ]),
  ).toEqual(new Map())
  await expect(
    startsIn([
      ['g|in', NOTE],
      ['g|in', '{'],
    ]),
  ).rejects.toThrow('offset 1: this is not the note')
})

it('notes of other groups are skipped, readable or not', async () => {
  expect(
    await startsIn([
      ['other|in', '{'],
      ['g|in', NOTE],
      ['x', null],
    ]),
  ).toEqual(new Map([['in', { from: 5n }]]))
})
