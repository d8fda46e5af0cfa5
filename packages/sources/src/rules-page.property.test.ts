import { parseExactJson } from '@weir/exact-json'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { PRESETS, type PresetName, type RequestFacts } from './index.ts'

/**
 * A model written from docs/sources/rules.md alone: it reads the JSON texts of fields, and shares no code with the
 * product.
 */
type Fields = Readonly<Record<string, string>>

const MAX = 2n ** 63n - 1n
const isNumber = (json: string): boolean => /^[-\d]/.test(json)

const id = (json: string | undefined, textsOnly = false): string | undefined => {
  if (json === undefined) return undefined
  if (isNumber(json)) return textsOnly || json.length > 512 ? undefined : json
  if (!json.startsWith('"')) return undefined
  const text = JSON.parse(json) as string
  if (text === '' || text.includes('\0') || new TextEncoder().encode(text).length > 512) return undefined
  return /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text)
    ? undefined
    : text
}

const sequence = (json: string | undefined): bigint | undefined => {
  if (json === undefined) return undefined
  const inBounds = (number: bigint) => (number >= 0n && number <= MAX ? number : undefined)
  if (json.startsWith('"')) {
    const text = JSON.parse(json) as string
    return /^[0-9]{1,19}$/.test(text) ? inBounds(BigInt(text)) : undefined
  }
  const [, sign, whole = '', fraction = '', power = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/.exec(json) ?? []
  if (whole === '') return undefined
  // As a fraction: the numerator over a power of ten.
  const numerator = BigInt(whole + fraction) * (sign === '-' ? -1n : 1n)
  const shift = Number(power) - fraction.length
  if (numerator === 0n) return 0n
  if (shift >= 0) return shift > 30 ? undefined : inBounds(numerator * 10n ** BigInt(shift))
  const divisor = 10n ** BigInt(-shift)
  return numerator % divisor === 0n ? inBounds(numerator / divisor) : undefined
}

interface Model {
  readonly fields: readonly string[]
  readonly identify: (of: Fields) => readonly (string | undefined)[]
}

/** Each gives what must be there, and then what only helps to make the key. */
const MODELS: Readonly<Partial<Record<PresetName, Model>>> = {
  cxone: {
    fields: ['interactionId', 'eventType', 'sequenceNumber', 'timestamp'],
    identify: (of) => [
      id(of.interactionId),
      id(of.eventType),
      sequence(of.sequenceNumber)?.toString() ?? id(of.timestamp) ?? 'HASH',
    ],
  },
  'cxone-dataaction': { fields: ['id', 'type'], identify: (of) => [id(of.id), id(of.type), 'HASH'] },
  nice: {
    fields: ['interactionId', 'dataActionId', 'updatedTimestamp'],
    identify: (of) => [id(of.interactionId, true), id(of.dataActionId, true), id(of.updatedTimestamp, true)],
  },
}

const jsonText = fc.oneof(
  fc.constantFrom(
    'null',
    'true',
    '[]',
    '{}',
    '""',
    '" "',
    '"a"',
    '"A"',
    '"a "',
    '"5"',
    '5',
    '5.0',
    '5e0',
    '"\\u0000"',
  ),
  fc.constantFrom(
    '"\\ud800"',
    '"\\u00e9"',
    '"e\\u0301"',
    '"007"',
    '7',
    '7.0',
    '70e-1',
    '-0',
    '-7',
    '"-7"',
    '" 7"',
    '7.5',
  ),
  fc.constantFrom(
    '9223372036854775807',
    '9223372036854775808',
    '"9223372036854775807"',
    '1e18',
    '1e19',
    '0.1e1',
    '1e-400',
  ),
  fc.constantFrom(
    JSON.stringify('x'.repeat(512)),
    JSON.stringify('x'.repeat(513)),
    JSON.stringify('é'.repeat(257)),
  ),
  fc.string().map((text) => JSON.stringify(text)),
  fc.string({ unit: 'binary' }).map((text) => JSON.stringify(text)),
  fc.stringMatching(/^-?(?:0|[1-9]\d{0,20})(?:\.\d{1,20})?(?:e-?\d{1,2})?$/),
)

const facts: RequestFacts = { bodyHash: () => 'HASH', header: () => undefined }

it.each(Object.entries(MODELS))('identifies events of %s by the documented rules', (name, model) => {
  const bodies = fc.record(Object.fromEntries(model.fields.map((field) => [field, jsonText])), {
    requiredKeys: [],
  }) as fc.Arbitrary<Fields>
  const product = (of: Fields) => {
    const json = `{${Object.entries(of)
      .map(([field, text]) => `"${field}":${text}`)
      .join(',')}}`
    const result = PRESETS[name as PresetName].identify(parseExactJson(json), facts)
    return result.kind === 'identified' ? result.identity : undefined
  }
  fc.assert(
    fc.property(bodies, bodies, (one, other) => {
      const [a, b] = [one, other].map((of) => model.identify(of))
      const [x, y] = [product(one), product(other)]
      expect(x !== undefined).toBe(a!.every((part) => part !== undefined))
      if (x === undefined) return
      expect(x.interactionId).toBe(a![0])
      if (name === 'cxone') expect(x.sequence).toBe(sequence(one.sequenceNumber))
      // One event where all parts are equal, and only there.
      if (y !== undefined) expect(x.dedupKey === y.dedupKey).toBe(JSON.stringify(a) === JSON.stringify(b))
    }),
    { numRuns: 2_000 },
  )
})
