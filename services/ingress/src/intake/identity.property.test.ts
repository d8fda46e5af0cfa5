import { HmacKey } from '@weir/contracts'
import { isContainer, isJsonObject, parseExactJson, type JsonObject, type JsonValue } from '@weir/exact-json'
import { PRESETS, type SourceAccess } from '@weir/sources'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { intake } from './intake.ts'

const VOLATILE = 'attempt'
const key = new HmacKey('sha256', Buffer.alloc(32))
const access: SourceAccess = {
  source: { ...PRESETS['cxone-dataaction'], name: 'da', volatileFields: [VOLATILE] },
  verify: undefined,
  signedBy: [],
  secrets: [],
  token: undefined,
  basic: undefined,
  ranges: undefined,
  contentOf: undefined,
  unavailable: undefined,
}

/** What makes two deliveries one event: their key and their body's hash. */
const eventOf = (body: string): string => {
  const result = intake(access, key, {
    raw: Buffer.from(body),
    receivedAt: 0,
    headers: { get: () => undefined } as never,
  })
  if (result.kind !== 'accept') throw new Error(result.kind)
  const { eventKey, bodyHash, intakeError } = result.webhooks[0]!
  return `${eventKey.toString('hex')} ${bodyHash.toString('hex')} ${intakeError?.reason ?? ''}`
}

/** A number that a double need not hold. */
const digits = fc.stringMatching(/^-?[1-9][0-9]{0,25}(\.[0-9]{1,20})?$/)
const value = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    digits,
    fc.string().map((text) => JSON.stringify(text)),
    fc.constantFrom('true', 'false', 'null'),
    fc.array(tie('value'), { maxLength: 3 }).map((list) => `[${list.join(',')}]`),
  ),
})).value
const name = fc.oneof(fc.string(), fc.string({ unit: 'binary' }))
const fields = fc.uniqueArray(
  fc.tuple(
    name.filter((name) => ![VOLATILE, 'id', 'type', '__proto__', 'constructor'].includes(name)),
    value,
  ),
  { maxLength: 4, selector: ([name]) => name },
)
type Fields = readonly (readonly [string, string])[]
const bodyOf = (given: Fields): string =>
  `{${[['id', '"e"'], ['type', '"t"'], ...given].map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(',')}}`

const spelled = (one: JsonValue): string => {
  if (!isContainer(one)) return JSON.stringify(one)
  if (Array.isArray(one)) return `[ ${(one as readonly JsonValue[]).map(spelled).join(' , ')} ]`
  return `{\n${Object.entries(one as JsonObject)
    .reverse()
    .map(([name, inner]) => `"${name.replace(/[^]/g, unicode)}" : ${spelled(inner)}`)
    .join(' ,')}}`
}
const unicode = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`

it('treats two bodies as one event if they differ only in volatile fields and spelling', () => {
  fc.assert(
    fc.property(fields, fc.option(value), fc.option(value), (given, first, second) => {
      const delivery = (attempt: string | null): string =>
        bodyOf(attempt === null ? given : [...given, [VOLATILE, attempt]])
      const event = eventOf(delivery(first))
      expect(eventOf(delivery(second))).toBe(event)
      expect(eventOf(spelled(parseExactJson(delivery(second))))).toBe(event)
    }),
  )
})

it('treats any other two bodies as two events', () => {
  fc.assert(
    fc.property(fields, fields, (one, other) => {
      const [a, b] = [bodyOf(one), bodyOf(other)]
      const same = spelled(sorted(parseExactJson(a))) === spelled(sorted(parseExactJson(b)))
      fc.pre(!same && !hasTrailingZeros(a) && !hasTrailingZeros(b))
      expect(eventOf(a)).not.toBe(eventOf(b))
    }),
  )
})

it('distinguishes ids, keys and bodies by every digit', () => {
  fc.assert(
    fc.property(digits, fc.nat(25), (number, at) => {
      const places = Array.from(number.matchAll(/[0-9]/g), ({ index }) => index)
      const place = places[at % places.length]!
      const other =
        number.slice(0, place) + String((Number(number[place]) + 1) % 10) + number.slice(place + 1)
      fc.pre(!/^-?0/.test(other))
      const withId = (id: string) => eventOf(`{"id":${id},"type":"t"}`)
      const withField = (id: string) => eventOf(`{"id":"e","type":"t","contactId":${id},"attempt":1}`)
      expect(withId(number)).not.toBe(withId(other))
      expect(withField(number)).not.toBe(withField(other))
    }),
  )
})

const sorted = (one: JsonValue): JsonValue => {
  if (Array.isArray(one)) return (one as readonly JsonValue[]).map(sorted)
  if (!isJsonObject(one)) return one
  return Object.fromEntries(
    Object.keys(one)
      .sort()
      .map((name) => [name, sorted(one[name]!)]),
  )
}

/** 1.50 and 1.5 are one number. */
const hasTrailingZeros = (body: string): boolean => /\.[0-9]*0\b/.test(body)
