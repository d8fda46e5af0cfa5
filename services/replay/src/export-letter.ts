import {
  deadLetterBody,
  SealedLetterError,
  type DeadLetterKeys,
  type DeadLetterReason,
} from '@weir/contracts'
import type { Letter } from './letter.ts'

export const EXPORT_FORMATS = ['weir', 's2', 's3', 's3-full'] as const
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

/** A body as its JSON value, or as text where it is none. */
const payloadOf = (body: Buffer): unknown => {
  try {
    return JSON.parse(body.toString()) as unknown
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
  letter: Letter,
  format: ExportFormat,
  keys: DeadLetterKeys | undefined,
): object => {
  const body = letterBody(letter, keys)
  const timestamp = new Date(letter.firstFailedAt).toISOString()
  const error = `${PREFIXES[letter.reason as DeadLetterReason] ?? ''}${letter.error}`
  const payload = body === undefined ? null : payloadOf(body)
  switch (format) {
    case 'weir':
      return { ...describeLetter(letter), body: body?.toString('base64') ?? null, sealed: body === undefined }
    case 's2':
      return { payload, error, timestamp }
    case 's3':
      return {
        ...{ timestamp, original_payload: payload, error_message: error },
        ...{ retry_count: letter.replayCount, status: letter.status },
      }
    case 's3-full':
      return { timestamp, payload, error }
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
