import {
  deadLetterBody,
  HEADER,
  RECORD_BYTES_MAX,
  recordBytesOf,
  TOPIC_RECORD_BYTES_MIN,
  type WireRecord,
} from '@weir/contracts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keepingSink, openStages, type Stages } from './stages.ts'

/** The largest batch with one record, bytes. */
const BATCH_OVERHEAD_BYTES = 61

let stages: Stages
beforeAll(async () => {
  stages = await openStages(keepingSink().sink)
})
afterAll(() => stages.close())

const garbage = (valueBytes: number): WireRecord => ({
  key: Buffer.from('cxone|large'),
  value: Buffer.alloc(valueBytes, 'x'),
  headers: {},
})

// Dedup's letters are tested on a broker: `services/dedup/src/poison.integration.test.ts`.
describe.each(['normalizer', 'persistence'] as const)('a record that %s cannot read', (stage) => {
  it('is whole in its letter up to the largest record that a service may write', async () => {
    const record = garbage(RECORD_BYTES_MAX - recordBytesOf(garbage(0)))
    const [letter, ...others] = await stages.runAlone(stage, record)
    expect(others).toEqual([])
    expect(letter!.headers[HEADER.dlqReason]!.toString()).toBe('record_invalid')
    expect(letter!.headers[HEADER.dlqTruncated]).toBeUndefined()
    expect(deadLetterBody(letter!).equals(record.value!)).toBe(true)
    expect(recordBytesOf(letter!) + BATCH_OVERHEAD_BYTES).toBeLessThanOrEqual(TOPIC_RECORD_BYTES_MIN)
  })

  it('is truncated in its letter above that, and the letter says where the whole record is', async () => {
    const record = garbage(2 * RECORD_BYTES_MAX)
    const [letter, ...others] = await stages.runAlone(stage, record)
    expect(others).toEqual([])
    expect(recordBytesOf(letter!) + BATCH_OVERHEAD_BYTES).toBeLessThanOrEqual(TOPIC_RECORD_BYTES_MIN)
    const text = (name: string) => letter!.headers[name]!.toString()
    expect(text(HEADER.dlqReason)).toBe('record_invalid')
    expect(text(HEADER.dlqTruncated)).toBe(String(record.value!.length))
    expect(text(HEADER.dlqSourceOffset)).toBe('41')
    expect(text(HEADER.dlqSourceTopic)).toBe(
      stage === 'normalizer' ? 'webhooks.unique.v1' : 'interactions.normalized.v1',
    )
    expect(record.value!.subarray(0, deadLetterBody(letter!).length).equals(deadLetterBody(letter!))).toBe(
      true,
    )
  })
})

it('turns an event above the record limit into a letter with the whole body', async () => {
  const webhook = (padding: number): WireRecord =>
    stages.receive({
      source: 'numbered',
      headers: {},
      body: JSON.stringify({ id: '1', n: 1, text: 'x'.repeat(padding) }),
    })
  const record = webhook(RECORD_BYTES_MAX - recordBytesOf(webhook(0)))
  const [letter, ...others] = await stages.runAlone('normalizer', record)
  expect(others).toEqual([])
  expect(letter!.headers[HEADER.dlqReason]!.toString()).toBe('event_too_large')
  expect(letter!.headers[HEADER.dlqError]!.toString()).toMatch(
    /^the record would have 100\d{4} bytes, and the limit is 1000000$/,
  )
  expect(deadLetterBody(letter!).equals(record.value!)).toBe(true)
})
