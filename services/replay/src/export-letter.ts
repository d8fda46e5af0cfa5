import {
  deadLetterBody,
  SealedLetterError,
  type DeadLetterKeys,
  type DeadLetterReason,
} from '@weir/contracts'
import { parseExactJson } from '@weir/exact-json'
import type { Letter } from './letter.ts'

export const EXPORT_FORMATS = ['weir', 's0', 's1', 's2', 's3', 's3-full', 's4'] as const
export type ExportFormat = (typeof EXPORT_FORMATS)[number]

/** Error texts as the systems that Weir takes the place of wrote them. */
const PREFIXES: Readonly<Partial<Record<DeadLetterReason, string>>> = {
  invalid_encoding: 'JSONDecodeError: ',
  invalid_json: 'JSONDecodeError: ',
  unsafe_json: 'JSONDecodeError: ',
  missing_field: 'Validation error: ',
  wrong_type: 'Validation error: ',
  schema_violation: 'Validation error: ',
  unknown_field: 'Validation error: ',
  unsupported_schema_version: 'Validation error: ',
  unmappable: 'Validation error: ',
  row_rejected: 'MigrationBulkWriteError: ',
}

/** The fields of S0's documents, in its order. */
const LEAN_FIELDS = [
  ...['interactionId', 'eventType', 'timestamp', 'agentId', 'skill', 'direction', 'sequenceNumber'],
] as const

/** What S0 would have stored: its fields alone, null where the payload has none. */
const leanDocument = (payload: unknown): object => {
  const given = typeof payload === 'object' && payload !== null ? (payload as Record<string, unknown>) : {}
  return Object.fromEntries(
    LEAN_FIELDS.map((name) => [name, Object.hasOwn(given, name) ? given[name] : null]),
  )
}

/** Of a parked source's letter: what it would have said of itself. */
const OWN_REASON = /^([a-z_]+): (.*)$/s

const asItWouldBe = (letter: Letter): Letter => {
  const parts = letter.reason === 'source_parked' ? OWN_REASON.exec(letter.error) : null
  return parts === null ? letter : { ...letter, reason: parts[1]!, error: parts[2]! }
}

const isMalformed = ({ reason }: Letter): boolean =>
  PREFIXES[reason as DeadLetterReason] === 'JSONDecodeError: '
const isInvalid = ({ reason }: Letter): boolean =>
  PREFIXES[reason as DeadLetterReason] === 'Validation error: '

/** S1 kept no dead letters: it answered with an error, which its logs have. */
const errorAnswer = (letter: Letter): object => {
  if (isMalformed(letter)) return { error: 'Invalid JSON syntax in Cognigy webhook payload' }
  return isInvalid(letter) ? { error: letter.error } : { error: 'Processing failed', details: letter.error }
}

/** S4 kept none either. */
const detailAnswer = (letter: Letter): object => {
  if (isMalformed(letter)) return { detail: 'Malformed JSON payload' }
  return { detail: isInvalid(letter) ? `Payload validation failed: ${letter.error}` : letter.error }
}

/** A body as its JSON value, or as text where it is none. */
const payloadOf = (body: Buffer): unknown => {
  try {
    return parseExactJson(body.toString())
  } catch {
    return body.toString()
  }
}

export const letterBody = (letter: Letter, keys: DeadLetterKeys | undefined): Buffer | undefined => {
  try {
    return deadLetterBody(letter.record, keys)
  } catch (error) {
    if (error instanceof SealedLetterError) return undefined
    throw error
  }
}

/** One letter for another tool. `weir` keeps every byte; the others are the literal shapes of earlier systems. */
export const exportLetter = (
  stored: Letter,
  format: ExportFormat,
  keys: DeadLetterKeys | undefined,
): object => {
  const letter = format === 'weir' ? stored : asItWouldBe(stored)
  const body = letterBody(letter, keys)
  const timestamp = new Date(letter.firstFailedAt).toISOString()
  const error = `${PREFIXES[letter.reason as DeadLetterReason] ?? ''}${letter.error}`
  const payload = body === undefined ? null : payloadOf(body)
  switch (format) {
    case 'weir':
      return { ...describeLetter(letter), body: body?.toString('base64') ?? null, sealed: body === undefined }
    case 's0':
      return leanDocument(payload)
    case 's1':
      return errorAnswer(letter)
    case 's2':
      return { payload, error, timestamp }
    case 's3':
      return {
        ...{ timestamp, original_payload: payload, error_message: error },
        ...{ retry_count: letter.replayCount, status: letter.status },
      }
    case 's3-full':
      return { timestamp, payload, error }
    case 's4':
      return detailAnswer(letter)
  }
}

/** Everything but the body. */
export const describeLetter = ({ record: { headers }, offset, ...letter }: Letter) => ({
  ...letter,
  offset: String(offset),
  headers: Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      /^[\x20-\x7e]*$/.test(value.toString('latin1')) ? value.toString() : `hex:${value.toString('hex')}`,
    ]),
  ),
})

const PREVIEW_BYTES = 512
const LINE_BYTES = 16

/** The first bytes as `offset  hex  text`, for eyes only. */
export const hexPreview = (body: Buffer): string => {
  const lines: string[] = []
  for (let at = 0; at < Math.min(body.length, PREVIEW_BYTES); at += LINE_BYTES) {
    const line = body.subarray(at, Math.min(at + LINE_BYTES, PREVIEW_BYTES))
    const hex = [...line].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
    const text = line.toString('latin1').replace(/[^\x20-\x7e]/g, '.')
    lines.push(`${at.toString(16).padStart(8, '0')}  ${hex.padEnd(3 * LINE_BYTES)} ${text}`)
  }
  return lines.join('\n')
}
