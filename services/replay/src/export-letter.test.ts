import { HEADER } from '@weir/contracts'
import { describe, expect, it } from 'vitest'
import { exportLetter, hexPreview, type ExportFormat } from './export-letter.ts'
import { readLetter } from './letter.ts'

const AT = Date.UTC(2024, 4, 11, 12)

const letter = (reason: string, body: Buffer, replayCount = 0) =>
  readLetter(
    'dedup',
    {
      ...{ topic: 't', partition: 1, offset: 2n, timestamp: AT, key: Buffer.from('k'), value: body },
      headers: Object.fromEntries(
        Object.entries({
          ...{ [HEADER.dlqReason]: reason, [HEADER.dlqError]: 'why', [HEADER.source]: 'cxone' },
          ...{ [HEADER.firstFailedAt]: String(AT), [HEADER.replayCount]: String(replayCount) },
        }).map(([name, text]) => [name, Buffer.from(text)]),
      ),
    },
    'pending_inspection',
  )
const exported = (format: ExportFormat, reason: string, body: string, replays = 0) =>
  exportLetter(letter(reason, Buffer.from(body), replays), format, undefined)
const timestamp = '2024-05-11T12:00:00.000Z'

describe('S0 Azure Function', () => {
  it('S0 writes a dead letter as its document: the seven fields, null where there is none', () => {
    const body = '{"interactionId":"i-1","eventType":"CALL_CONNECTED","sequenceNumber":"3","extra":1}'
    expect(exported('s0', 'unsupported_schema_version', body)).toEqual({
      ...{ interactionId: 'i-1', eventType: 'CALL_CONNECTED', timestamp: null, agentId: null, skill: null },
      ...{ direction: null, sequenceNumber: '3' },
    })
    expect(exported('s0', 'invalid_json', '{"cut')).toMatchObject({ interactionId: null })
  })
})

describe('S1 Cognigy idempotency', () => {
  it.each([
    ['invalid_json', { error: 'Invalid JSON syntax in Cognigy webhook payload' }],
    ['missing_field', { error: 'why' }],
    ['key_conflict', { error: 'Processing failed', details: 'why' }],
  ])('S1 writes a dead letter of %s as its answer', (reason, answer) => {
    expect(exported('s1', reason, '{}')).toEqual(answer)
  })
})

describe('S4 Bloom dedup', () => {
  it.each([
    ['invalid_json', { detail: 'Malformed JSON payload' }],
    ['missing_field', { detail: 'Payload validation failed: why' }],
    ['key_conflict', { detail: 'why' }],
  ])('S4 writes a dead letter of %s as its answer', (reason, answer) => {
    expect(exported('s4', reason, '{}')).toEqual(answer)
  })
})

describe('S2 Node router', () => {
  it('S2-07 writes a dead letter as payload, error and timestamp', () => {
    expect(exported('s2', 'unmappable', '{"a":1}')).toEqual({
      ...{ payload: { a: 1 }, error: 'Validation error: why', timestamp },
    })
  })
})

describe('S3 schema evolution', () => {
  it('S3-03 writes a dead letter as timestamp, original_payload, error_message, retry_count and status', () => {
    expect(exported('s3', 'missing_field', '{"id":"evt-1"}', 2)).toEqual({
      ...{ timestamp, original_payload: { id: 'evt-1' }, error_message: 'Validation error: why' },
      ...{ retry_count: 2, status: 'pending_inspection' },
    })
    expect(exported('s3-full', 'invalid_json', '{"cut')).toEqual({
      ...{ timestamp, payload: '{"cut', error: 'JSONDecodeError: why' },
    })
  })

  it.each([
    ['invalid_json', 'JSONDecodeError: why'],
    ['wrong_type', 'Validation error: why'],
    ['row_rejected', 'MigrationBulkWriteError: why'],
    ['key_conflict', 'why'],
  ])('S3-03 begins the error of %s as its systems did', (reason, error_message) => {
    expect(exported('s3', reason, '{}')).toMatchObject({ error_message })
  })

  it('S3-03 keeps the raw bytes, and shows them as hex for forensics', () => {
    const body = Buffer.from([0xff, 0x00, 0x7b, 0x22])
    expect(exportLetter(letter('invalid_encoding', body), 'weir', undefined)).toMatchObject({
      ...{ body: body.toString('base64'), sealed: false, reason: 'invalid_encoding' },
    })
    expect(hexPreview(body)).toMatch(/^00000000 {2}ff 00 7b 22 +\.\.\{"$/)
  })
})

it('writes a letter of a parked source as it would have been without the others', () => {
  const parked = { ...letter('source_parked', Buffer.from('{"a":10.00}')), error: 'schema_violation: why' }
  const of = (format: ExportFormat) => exportLetter(parked, format, undefined)
  expect(of('s1')).toEqual({ error: 'why' })
  expect(of('s4')).toEqual({ detail: 'Payload validation failed: why' })
  expect(of('s2')).toMatchObject({ error: 'Validation error: why', timestamp })
  expect(of('weir')).toMatchObject({ reason: 'source_parked', error: 'schema_violation: why' })
})
