import { encodeChunk, encodeTombstone } from '@weir/seen-keys'
import { expect, it } from 'vitest'
import { StateReading } from './state-reading.ts'

const chunk = encodeChunk('chunk|100|10|in@0+0', Buffer.alloc(48, 1))
const damaged = { key: chunk.key, value: Buffer.from(chunk.value!).fill(9, 20, 21) }
const foreign = { key: Buffer.from('foreign'), value: Buffer.from('x') }

const read = (records: readonly { readonly key: Buffer; readonly value: Buffer | null }[]) => {
  const reading = new StateReading()
  const decoded = reading.decode(
    records.map((record, index) => ({
      topic: 'seen',
      partition: 0,
      offset: BigInt(index + 5),
      timestamp: 0,
      headers: {},
      ...record,
    })),
  )
  return { kinds: decoded.map(({ kind }) => kind), damaged: reading.firstDamaged }
}

it('detects a damaged chunk by its checksum, and records that are not state records', () => {
  expect(read([chunk, damaged, foreign])).toEqual({
    kinds: ['chunk'],
    damaged: { key: chunk.key, offset: 6n, message: 'a damaged chunk' },
  })
  expect(read([foreign]).damaged?.message).toBe('a state record with an unknown key')
  expect(read([{ key: Buffer.from('position'), value: Buffer.from('{"format":1') }]).damaged?.message).toBe(
    'a damaged position',
  )
  // Whole, under another key: then it is not what was written there.
  expect(read([{ key: Buffer.from('chunk|100|10|in@7+0'), value: chunk.value }]).damaged).toBeDefined()
})

it('forgives damage that a later record of the same key has replaced', () => {
  expect(read([damaged, chunk])).toEqual({ kinds: ['chunk'], damaged: undefined })
  expect(read([damaged, encodeTombstone('chunk|100|10|in@0+0')])).toEqual({
    kinds: ['tombstone'],
    damaged: undefined,
  })
  expect(read([foreign, { key: foreign.key, value: null }])).toEqual({ kinds: [], damaged: undefined })
  expect(read([foreign, damaged, chunk]).damaged?.offset).toBe(5n)
})
