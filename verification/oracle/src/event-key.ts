import { createHash } from 'node:crypto'

/** What a body says about itself. */
export type Identity =
  | {
      readonly kind: 'event'
      /** Hex. */
      readonly key: string
      readonly interaction: string
      readonly type: string
      readonly sequence?: bigint
    }
  | { readonly kind: 'malformed' }
  /** The source is none of the four whose contract is written down here. */
  | { readonly kind: 'unknown' }

type Fields = Readonly<Record<string, unknown>>
interface Named {
  readonly interaction: string
  readonly type: string
  readonly dedupKey: string
  readonly sequence?: bigint
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** A number whose digits a double does not keep. */
class Digits {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

const digitsOf = (value: unknown): string | undefined => {
  if (value instanceof Digits) return value.text
  return typeof value === 'number' ? String(value) : undefined
}

const ID_BYTES_MAX = 512

/** A text of an id, as docs/sources/rules.md limits it. */
const isId = (value: unknown): value is string =>
  typeof value === 'string' &&
  value !== '' &&
  !value.includes('\0') &&
  value.isWellFormed() &&
  Buffer.byteLength(value) <= ID_BYTES_MAX

/** An identifier is a text, or a number taken as the digits that were sent. */
const text = (value: unknown): string | undefined => {
  const id = digitsOf(value) ?? value
  return isId(id) ? id : undefined
}

const objectOf = (value: unknown): Fields | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Digits)
    ? (value as Fields)
    : undefined

/** Parts are separated by `:`; what is a separator or a backslash inside a part has a backslash before it. */
const join = (...parts: readonly string[]): string =>
  parts.map((part) => part.replaceAll('\\', '\\\\').replaceAll(':', '\\:')).join(':')

const SEQUENCE_MAX = 2n ** 63n - 1n

/** More zeros than a sequence can have. */
const EXPONENT_MAX = 1_000

/** The value of a JSON number, where it is whole. */
const wholeOf = (json: string): bigint | undefined => {
  const [, sign = '', digits = '', decimals = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/.exec(json) ?? []
  const significant = `${digits}${decimals}`.replace(/^0+/, '').replace(/0+$/, '')
  if (significant === '') return digits === '' ? undefined : 0n
  // What is left has no zeros at its end, so the number is whole exactly if no digit lies behind the point.
  const trailing = `${digits}${decimals}`.length - `${digits}${decimals}`.replace(/0+$/, '').length
  const zeros = Number(exponent) - decimals.length + trailing
  if (zeros < 0 || zeros > EXPONENT_MAX) return undefined
  return BigInt(`${sign}${significant}${'0'.repeat(zeros)}`)
}

/** A whole number from 0 to 63 bits: a number in any notation, or a text of digits. */
const wholeNumber = (value: unknown): bigint | undefined => {
  const digits = digitsOf(value)
  const isText = typeof value === 'string' && /^[0-9]{1,19}$/.test(value)
  const number = isText ? BigInt(value) : digits === undefined ? undefined : wholeOf(digits)
  return number !== undefined && number >= 0n && number <= SEQUENCE_MAX ? number : undefined
}

/** `interactionId:eventType:sequenceNumber`; interactions of a router: `data.id:eventType:timestamp`. */
const cxone = (body: Fields, bodyHash: string): Named | undefined => {
  const data = objectOf(body.data)
  const isRouted = data?.channelType !== undefined
  const interaction = text(isRouted ? data.id : body.interactionId)
  const type = text(body.eventType)
  if (interaction === undefined || type === undefined) return undefined
  const sequence = isRouted ? undefined : wholeNumber(body.sequenceNumber)
  if (sequence !== undefined)
    return { interaction, type, sequence, dedupKey: join(interaction, type, String(sequence)) }
  return { interaction, type, dedupKey: join(interaction, type, text(body.timestamp) ?? bodyHash) }
}

/** `sha256(conversationId:timestamp:sessionId)`. */
const cognigy = (body: Fields): Named | undefined => {
  const { conversationId, sessionId, intent, userId, timestamp } = body
  if (![conversationId, sessionId, intent, userId].every((value) => typeof value === 'string'))
    return undefined
  const moment = digitsOf(timestamp)
  if (moment === undefined || !isId(conversationId)) return undefined
  const interaction = conversationId
  const dedupKey = sha256(join(interaction, moment, sessionId as string))
  return { interaction, type: 'cognigy.intent', dedupKey }
}

/** `id:type:body hash`. */
const dataAction = (body: Fields, bodyHash: string): Named | undefined => {
  const interaction = text(body.id)
  const type = text(body.type)
  if (interaction === undefined || type === undefined) return undefined
  return { interaction, type, dedupKey: join(interaction, type, bodyHash) }
}

/** `interactionId:dataActionId:updatedTimestamp`. */
const nice = (body: Fields): Named | undefined => {
  const parts = [body.interactionId, body.dataActionId, body.updatedTimestamp]
  if (!parts.every(isId)) return undefined
  if (body.payload !== undefined && objectOf(body.payload) === undefined) return undefined
  const dedupKey = join(...parts)
  return { interaction: parts[0]!, type: 'data.action.updated', dedupKey }
}

const RULES = new Map<string, (body: Fields, bodyHash: string) => Named | undefined>([
  ['cxone', cxone],
  ['cognigy', cognigy],
  ['cxone-dataaction', dataAction],
  ['nice', nice],
])

/**
 * The identity of a sent body, by the contract alone: the first 16 bytes of sha256(source, NUL, dedup key). It shares
 * no code with what it judges. `bodyHash`: hex sha256 of the body.
 */
export const identify = (source: string, body: Buffer, bodyHash: string): Identity => {
  const rule = RULES.get(source)
  if (rule === undefined) return { kind: 'unknown' }
  const fields = objectOf(parse(body))
  const named = fields && rule(fields, bodyHash)
  if (named === undefined) return { kind: 'malformed' }
  const { dedupKey, ...rest } = named
  return { kind: 'event', key: sha256(`${source}\0${dedupKey}`).slice(0, 32), ...rest }
}

/** A member whose number may be another one as a double. */
const INEXACT = /":\s*-?(?:[0-9]+[.eE]|[0-9]{16}|(?<=-)0)/

const parse = (body: Buffer): unknown => {
  const json = body.toString('utf8')
  try {
    if (!INEXACT.test(json)) return JSON.parse(json) as unknown
    return JSON.parse(json, (_name, value: unknown, context?: { readonly source?: string }) =>
      typeof value === 'number' && context?.source !== undefined ? new Digits(context.source) : value,
    ) as unknown
  } catch {
    return undefined
  }
}
