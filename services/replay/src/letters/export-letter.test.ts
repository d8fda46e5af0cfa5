import { HEADER } from '@weir/contracts'
import { describe, expect, it } from 'vitest'
import {
  EXPORT_FORMAT_NAMES,
  EXPORT_FORMATS,
  exportFormatOf,
  exportLetter,
  hexPreview,
  type ExportFormat,
} from './export-letter.ts'
import { readLetter } from './letter.ts'

const AT = Date.UTC(2024, 4, 11, 12)

const letter = (reason: string, body: Buffer, replayCount = 0, headers: Record<string, string> = {}) =>
  readLetter(
    'dedup',
    {
      topic: 't',
      partition: 1,
      offset: 2n,
      timestamp: AT,
      key: Buffer.from('k'),
      value: body,
      headers: Object.fromEntries(
        Object.entries({
          [HEADER.dlqReason]: reason,
          [HEADER.dlqError]: 'why',
          [HEADER.source]: 'cxone',
          [HEADER.firstFailedAt]: String(AT),
          [HEADER.replayCount]: String(replayCount),
          ...headers,
        }).map(([name, text]) => [name, Buffer.from(text)]),
      ),
    },
    'pending_inspection',
  )
const exported = (
  format: string,
  reason: string,
  body: string,
  headers: Record<string, string> = {},
  replays = 0,
) => exportLetter(letter(reason, Buffer.from(body), replays, headers), exportFormatOf(format)!, undefined)
const timestamp = '2024-05-11T12:00:00.000Z'

/** As ingress marks a body that it could not take. */
const REFUSED = { [HEADER.intakeError]: 'missing_field' }
const given = (answer: string) => ({ ...REFUSED, [HEADER.answer]: answer })

it('names formats after their systems, and accepts the older names', () => {
  const older = ['s0', 's1', 's2', 's3', 's3-full', 's4']
  expect(older.map(exportFormatOf)).toEqual(EXPORT_FORMATS.slice(1))
  expect(EXPORT_FORMAT_NAMES).toEqual([...EXPORT_FORMATS, ...older])
  for (const name of ['', 's5', 'S0', 'toString', '__proto__']) expect(exportFormatOf(name)).toBeUndefined()
})

describe('S0 Azure Function', () => {
  it('S0-08 writes a dead letter as a document with null for missing fields, and the reason', () => {
    const body = '{"interactionId":"i-1","eventType":"CALL_CONNECTED","sequenceNumber":"3","extra":1}'
    expect(exported('s0', 'unsupported_schema_version', body)).toEqual({
      interactionId: 'i-1',
      eventType: 'CALL_CONNECTED',
      timestamp: null,
      agentId: null,
      skill: null,
      direction: null,
      sequenceNumber: '3',
      reason: 'unsupported_schema_version',
      error: 'why',
    })
    expect(exported('s0', 'invalid_json', '{"cut')).toMatchObject({
      interactionId: null,
      reason: 'invalid_json',
    })
  })
})

describe('S1 Cognigy idempotency', () => {
  it.each([
    '{"error":"Missing required field: intent"}',
    '{"success":true,"messageId":"abc","processedAt":1}',
    '{"error":"Type mismatch for userId. Expected string, got number"}',
  ])('S1-04 writes of a dead letter the answer that was really given: %s', (answer) => {
    expect(exported('s1', 'missing_field', '{}', given(answer))).toEqual(JSON.parse(answer))
  })

  it("S1-04 derives Weir's own response from the record", () => {
    const record = letter('key_conflict', Buffer.from('{}'), 0, { [HEADER.eventKey]: 'key of 16 bytes!' })
    const ours = { ...record, key: 'cxone|conv-1' }
    expect(exportLetter(ours, 'cognigy', undefined)).toEqual({
      status: 'accepted',
      interactionId: 'conv-1',
      eventKey: Buffer.from('key of 16 bytes!').toString('hex'),
    })
  })

  it.each([
    ['invalid_json', { error: 'Invalid JSON syntax in Cognigy webhook payload' }],
    ['missing_field', { error: 'why' }],
    ['key_conflict', { error: 'Processing failed', details: 'why' }],
  ])(
    'S1-04 writes of an older letter of %s, which has no answer, what it would have been',
    (reason, answer) => {
      expect(exported('s1', reason, '{}', REFUSED)).toEqual(answer)
    },
  )
})

describe('S4 Bloom dedup', () => {
  it('S4-01 writes a dead letter as the response that the provider got', () => {
    const answer = '{"detail":"Payload validation failed: dataActionId is missing"}'
    expect(exported('s4', 'missing_field', '{}', given(answer))).toEqual(JSON.parse(answer))
  })

  it.each([
    ['invalid_json', { detail: 'Malformed JSON payload' }],
    ['missing_field', { detail: 'Payload validation failed: why' }],
    ['key_conflict', { detail: 'why' }],
  ])('S4-01 writes of an older letter of %s what the answer would have been', (reason, answer) => {
    expect(exported('s4', reason, '{}', REFUSED)).toEqual(answer)
  })
})

describe('S2 Node router', () => {
  it.each(['unmappable', 'invalid_json', 'row_rejected', 'missing_field'])(
    'S2-07 writes a dead letter of %s as payload, error and timestamp, with no prefix',
    (reason) => {
      expect(exported('s2', reason, '{"a":1}')).toEqual({ payload: { a: 1 }, error: 'why', timestamp })
    },
  )
})

describe('S3 schema evolution', () => {
  it('S3-03 writes a dead letter as timestamp, original_payload, error_message, retry_count and status', () => {
    expect(exported('s3', 'missing_field', '{"id": "evt-1"}', REFUSED, 2)).toEqual({
      timestamp,
      original_payload: '{"id": "evt-1"}',
      error_message: 'Validation error: Missing required CXone fields: id, type',
      retry_count: 2,
      status: 'pending_inspection',
    })
  })

  it('S3-03 writes the payload as text and the error without a prefix in the full form', () => {
    expect(exported('s3-full', 'invalid_json', '{"cut')).toEqual({
      timestamp,
      payload: '{"cut',
      error: 'why',
    })
    expect(exported('s3-full', 'wrong_type', '[1]', REFUSED)).toEqual({
      timestamp,
      payload: '[1]',
      error: 'Missing required CXone fields: id, type',
    })
  })

  it.each([
    ['invalid_json', 'JSONDecodeError: why'],
    ['schema_violation', 'Validation error: why'],
    ['row_rejected', 'MigrationBulkWriteError: why'],
    ['key_conflict', 'why'],
  ])('S3-03 begins the error of %s as its systems did', (reason, error_message) => {
    expect(exported('s3', reason, '{}')).toMatchObject({ error_message })
  })

  it('S3-03 keeps the raw bytes, and shows them as hex for forensics', () => {
    const body = Buffer.from([0xff, 0x00, 0x7b, 0x22])
    expect(exportLetter(letter('invalid_encoding', body), 'weir', undefined)).toMatchObject({
      body: body.toString('base64'),
      sealed: false,
      reason: 'invalid_encoding',
    })
    expect(hexPreview(body)).toMatch(/^00000000 {2}ff 00 7b 22 +\.\.\{"$/)
  })
})

it('writes a letter of a parked source as if the source had not been parked', () => {
  const parked = { ...letter('source_parked', Buffer.from('{"a":10.00}')), error: 'schema_violation: why' }
  const of = (format: ExportFormat) => exportLetter(parked, format, undefined)
  expect(of('cognigy')).toEqual({ error: 'why' })
  expect(of('nice')).toEqual({ detail: 'Payload validation failed: why' })
  expect(of('cxone')).toMatchObject({ reason: 'schema_violation', error: 'why' })
  expect(of('cxone-dataaction')).toMatchObject({ error_message: 'Validation error: why', timestamp })
  expect(of('weir')).toMatchObject({ reason: 'source_parked', error: 'schema_violation: why' })
})

it('exports a body as text if it is nested too deeply', () => {
  const deep = `${'['.repeat(6_000)}1${']'.repeat(6_000)}`
  expect(exported('s2', 'unsafe_json', deep)).toMatchObject({ payload: deep })
  const whole = `${'['.repeat(64)}1.50${']'.repeat(64)}`
  expect(JSON.stringify(exported('s2', 'unsafe_json', whole))).toContain(whole)
})
