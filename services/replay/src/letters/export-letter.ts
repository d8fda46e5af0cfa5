import {
  BodyFormError,
  DEAD_LETTER_STAGES,
  deadLetterBody,
  HEADER,
  SealedLetterError,
  jsonBody,
  parseBodyForm,
  type DeadLetterKeys,
  type DeadLetterReason,
} from '@weir/contracts'
import { isContainer, parseExactJson, type JsonValue } from '@weir/exact-json'
import type { Letter } from './letter.ts'

export const EXPORT_FORMATS = [
  'weir',
  'cxone',
  'cognigy',
  'cxone-router',
  'cxone-dataaction',
  'cxone-dataaction-full',
  'nice',
] as const
export type ExportFormat = (typeof EXPORT_FORMATS)[number]

/** Earlier names of the formats. */
const FORMAT_ALIASES: Readonly<Record<string, ExportFormat>> = {
  s0: 'cxone',
  s1: 'cognigy',
  s2: 'cxone-router',
  s3: 'cxone-dataaction',
  's3-full': 'cxone-dataaction-full',
  s4: 'nice',
}
export const EXPORT_FORMAT_NAMES: readonly string[] = [...EXPORT_FORMATS, ...Object.keys(FORMAT_ALIASES)]

/** Returns undefined for an unknown format. */
export const exportFormatOf = (name: string): ExportFormat | undefined =>
  EXPORT_FORMATS.find((format) => format === name) ??
  (Object.hasOwn(FORMAT_ALIASES, name) ? FORMAT_ALIASES[name] : undefined)

/** The kind of fault by reason, with which S3's program began its error text. */
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

/** The fields of S0's documents in their order. */
const LEAN_FIELDS = [
  'interactionId',
  'eventType',
  'timestamp',
  'agentId',
  'skill',
  'direction',
  'sequenceNumber',
] as const

/** The document that S0 would have stored, with null for missing fields, and the reason why it was not stored. */
const leanDocument = (payload: unknown, { reason, error }: Letter): object => {
  const fields = typeof payload === 'object' && payload !== null ? (payload as Record<string, unknown>) : {}
  return {
    ...Object.fromEntries(
      LEAN_FIELDS.map((name) => [name, Object.hasOwn(fields, name) ? fields[name] : null]),
    ),
    reason,
    error,
  }
}

/** The reason and error that a letter of a parked source would have had on its own. */
const OWN_REASON = /^([a-z_]+): (.*)$/s

const asItWouldBe = (letter: Letter): Letter => {
  const parts = letter.reason === 'source_parked' ? OWN_REASON.exec(letter.error) : null
  return parts === null ? letter : { ...letter, reason: parts[1]!, error: parts[2]! }
}

const isMalformed = ({ reason }: Letter): boolean =>
  PREFIXES[reason as DeadLetterReason] === 'JSONDecodeError: '
const isInvalid = ({ reason }: Letter): boolean =>
  PREFIXES[reason as DeadLetterReason] === 'Validation error: '

/** The response that the provider got; undefined: the version that wrote the record did not store it. */
const givenAnswer = ({ record: { headers }, source, key, eventKey }: Letter): unknown => {
  const answer = headers[HEADER.answer]
  if (answer !== undefined) return answer.length === 0 ? {} : payloadOf(answer)
  const isOurs = key.startsWith(`${source}|`) && eventKey !== ''
  if (headers[HEADER.intakeError] !== undefined || !isOurs) return undefined
  return { status: 'accepted', eventKey, interactionId: key.slice(source.length + 1) }
}

/** S1 kept no dead letters. Its format is its response. */
const cognigyAnswer = (letter: Letter): object => {
  if (isMalformed(letter)) return { error: 'Invalid JSON syntax in Cognigy webhook payload' }
  return isInvalid(letter) ? { error: letter.error } : { error: 'Processing failed', details: letter.error }
}

/** S4 kept no dead letters either. */
const niceAnswer = (letter: Letter): object => {
  if (isMalformed(letter)) return { detail: 'Malformed JSON payload' }
  return { detail: isInvalid(letter) ? `Payload validation failed: ${letter.error}` : letter.error }
}

/** S3's text for a body that it refused, without the kind of fault. For other faults it is the error of the letter. */
const dataActionError = (letter: Letter): string => {
  const isRefusal = letter.record.headers[HEADER.intakeError] !== undefined
  return isRefusal && isInvalid(letter) ? 'Missing required CXone fields: id, type' : letter.error
}

/** Deeper values can be parsed but not serialised. */
const DEPTH_MAX = 1_000

export const isDeeper = (value: JsonValue, levels: number): boolean =>
  isContainer(value) && (levels === 0 || Object.values(value).some((one) => isDeeper(one, levels - 1)))

/** A body as a JSON value, or as text if it is not JSON or is nested too deeply. */
const payloadOf = (body: Buffer): unknown => {
  const text = body.toString()
  try {
    const value = parseExactJson(text)
    return isDeeper(value, DEPTH_MAX) ? text : value
  } catch {
    return text
  }
}

/** The JSON of a body, or the raw bytes if it holds no JSON. */
export const readableBody = ({ stage, record: { headers } }: Letter, raw: Buffer): Buffer => {
  if (DEAD_LETTER_STAGES[stage].holds === 'event') return raw
  try {
    return jsonBody({ raw, bodyForm: parseBodyForm(headers[HEADER.bodyForm]?.toString()) })
  } catch (error) {
    if (error instanceof BodyFormError) return raw
    throw error
  }
}

/** The raw bytes of a letter; undefined if they are sealed and cannot be opened. */
export const letterBody = (letter: Letter, keys: DeadLetterKeys | undefined): Buffer | undefined => {
  try {
    return deadLetterBody(letter.record, keys)
  } catch (error) {
    if (error instanceof SealedLetterError) return undefined
    throw error
  }
}

/**
 * Formats a letter for another tool. `weir` keeps every byte. The other formats are the exact shapes of earlier
 * systems.
 */
export const exportLetter = (
  stored: Letter,
  format: ExportFormat,
  keys: DeadLetterKeys | undefined,
): object => {
  const letter = format === 'weir' ? stored : asItWouldBe(stored)
  const body = letterBody(letter, keys)
  const timestamp = new Date(letter.firstFailedAt).toISOString()
  const json = body === undefined ? undefined : readableBody(letter, body)
  const text = json?.toString() ?? null
  const payload = json === undefined ? null : payloadOf(json)
  switch (format) {
    case 'weir':
      return { ...describeLetter(letter), body: body?.toString('base64') ?? null, sealed: body === undefined }
    case 'cxone':
      return leanDocument(payload, letter)
    case 'cognigy':
      return givenAnswer(letter) ?? cognigyAnswer(letter)
    case 'cxone-router':
      return { payload, error: letter.error, timestamp }
    case 'cxone-dataaction':
      return {
        timestamp,
        original_payload: text,
        error_message: `${PREFIXES[letter.reason as DeadLetterReason] ?? ''}${dataActionError(letter)}`,
        retry_count: letter.replayCount,
        status: letter.status,
      }
    case 'cxone-dataaction-full':
      return { timestamp, payload: text, error: dataActionError(letter) }
    case 'nice':
      return givenAnswer(letter) ?? niceAnswer(letter)
  }
}

/** Everything except the body. */
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

/** The first bytes as lines of `offset  hex  text`, for people to read. */
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
