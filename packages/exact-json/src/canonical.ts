import { isNumber, numberText, type ExactNumber, type JsonObject, type JsonValue } from './exact-json.ts'

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/

/**
 * One text for each JSON value: names sorted by UTF-16 code units, no white space, strings as `JSON.stringify` writes
 * them, and each number as `<digits>e<exponent>` without leading or trailing zeros. So 1, 1.0 and 10e-1 are equal, and
 * numbers that differ in any digit are not. RFC 8785 would round them to doubles.
 */
export const canonicalJson = (value: JsonValue): string => {
  if (isNumber(value)) return canonicalNumber(numberText(value))
  if (Array.isArray(value)) return `[${(value as readonly JsonValue[]).map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const object = value as JsonObject
  const fields = Object.keys(object)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonicalJson(object[name]!)}`)
  return `{${fields.join(',')}}`
}

/** The exact value of a JSON number as text: digits without zeros at either end, and a power of ten of any size. */
export const canonicalNumber = (text: string): string => {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = NUMBER.exec(text)!
  const digits = (whole + fraction).replace(/^0+/, '')
  if (digits === '') return '0'
  const significant = withoutLastZeros(digits)
  const power = BigInt(exponent) - BigInt(fraction.length) + BigInt(digits.length - significant.length)
  return power === 0n ? sign + significant : `${sign}${significant}e${power}`
}

/**
 * `/0+$/` would look at each run of zeros inside again from each of its zeros: seconds for a number of a whole body.
 */
const withoutLastZeros = (digits: string): string => {
  let end = digits.length
  while (digits[end - 1] === '0') end -= 1
  return digits.slice(0, end)
}

const CANONICAL = /^(-?)(\d+)(?:e(-?\d+))?$/

/** The sign of `a - b`, exact for any number of digits. */
export const compareNumbers = (a: number | ExactNumber, b: number | ExactNumber): number => {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  const [one, other] = [partsOf(a), partsOf(b)]
  if (one.sign !== other.sign) return one.sign - other.sign
  return one.sign * compareSizes(one, other)
}

interface NumberParts {
  readonly sign: -1 | 0 | 1
  readonly digits: string
  /** Number of digits before the decimal point. */
  readonly places: bigint
}

const partsOf = (number: number | ExactNumber): NumberParts => {
  const [, minus, digits = '', power = '0'] = CANONICAL.exec(canonicalNumber(numberText(number)))!
  const sign = digits === '0' ? 0 : minus === '-' ? -1 : 1
  return { sign, digits, places: BigInt(digits.length) + BigInt(power) }
}

/** Digits have no zeros at either end, so that their texts are in order where the places are equal. */
const compareSizes = (a: NumberParts, b: NumberParts): number => {
  if (a.places !== b.places) return a.places < b.places ? -1 : 1
  return a.digits < b.digits ? -1 : a.digits > b.digits ? 1 : 0
}
