/** A point in time, exact to the nanosecond. */
export interface Moment {
  /** Rounded down. */
  readonly epochMs: number
  /** From 0 to 999,999. */
  readonly nanosOfMs: number
}

/** Gives how far a zone is ahead of UTC at a local time, ms. */
export type ZoneOffset = (localMs: number) => number

export const UTC: ZoneOffset = () => 0

/** Times outside these limits are placeholders, such as 0001-01-01 and 9999-12-31 of .NET. */
const FROM_MS = Date.UTC(1900, 0, 1)
const UNTIL_MS = Date.UTC(9999, 11, 30)

const ISO = /^\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,30})?)?[ ]?(?:[Zz]|[+-]\d\d(?::?\d\d)?)?)?$/
const EPOCH = /^(-?)(\d{1,30})(?:\.(\d{1,30}))?(?:[eE]([+-]?\d{1,2}))?$/
/** The usual format, with whole seconds or milliseconds. */
const SHORT_EPOCH = /^[1-9]\d{0,13}$/

/**
 * Parses an ISO 8601 time, or seconds, milliseconds, microseconds or nanoseconds since 1970, which are distinguished by
 * magnitude: below 10^11, 10^14 and 10^17. Undefined for any other format, as its meaning would be a guess, and for
 * days that do not exist. `zone` applies to times without a zone.
 */
export const momentOf = (text: string, zone: ZoneOffset): Moment | undefined => {
  const moment = ISO.test(text) ? ofIso(text, zone) : ofEpoch(text)
  return moment !== undefined && moment.epochMs >= FROM_MS && moment.epochMs < UNTIL_MS ? moment : undefined
}

/** Reads the digits at their positions, which `ISO` has checked, because each event has such a time. */
const ofIso = (text: string, zone: ZoneOffset): Moment | undefined => {
  const year = digitsAt(text, 0, 4)
  const month = digitsAt(text, 5, 2)
  const day = digitsAt(text, 8, 2)
  const hour = text.length > 10 ? digitsAt(text, 11, 2) : 0
  const minute = text.length > 10 ? digitsAt(text, 14, 2) : 0
  const hasSecond = text[16] === ':'
  const second = hasSecond ? digitsAt(text, 17, 2) : 0
  if (hour > 23 || minute > 59 || second > 59) return undefined
  if (day < 1 || day > daysOf(year, month)) return undefined
  let end = hasSecond ? 19 : 16
  let nanos = 0
  if (text[end] === '.' || text[end] === ',') {
    for (let unit = 1e8; isDigit(text, ++end); unit = Math.floor(unit / 10))
      nanos += unit * digitsAt(text, end, 1)
  }
  if (text[end] === ' ') end += 1
  const localMs = Date.UTC(year, month - 1, day, hour, minute, second) + Math.floor(nanos / 1e6)
  const aheadMs = end < text.length ? offsetMs(text, end) : zone(localMs)
  return aheadMs === undefined ? undefined : { epochMs: localMs - aheadMs, nanosOfMs: nanos % 1_000_000 }
}

const THIRTY = [4, 6, 9, 11]

/** Undefined for a month that does not exist, and for a year below 100, which `Date.UTC` puts into the last century. */
const daysOf = (year: number, month: number): number => {
  if (year < 100 || month < 1 || month > 12) return 0
  if (month !== 2) return THIRTY.includes(month) ? 30 : 31
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
}

const ZERO = 0x30

const digitsAt = (text: string, at: number, count: number): number => {
  let number = 0
  for (let i = at; i < at + count; i++) number = 10 * number + text.charCodeAt(i) - ZERO
  return number
}

const isDigit = (text: string, at: number): boolean => {
  const digit = text.charCodeAt(at) - ZERO
  return digit >= 0 && digit <= 9
}

const offsetMs = (text: string, at: number): number | undefined => {
  const sign = text[at] === '+' ? 1 : text[at] === '-' ? -1 : 0
  if (sign === 0) return 0
  const hours = digitsAt(text, at + 1, 2)
  const minutesAt = at + (text[at + 3] === ':' ? 4 : 3)
  const minutes = minutesAt < text.length ? digitsAt(text, minutesAt, 2) : 0
  return hours > 23 || minutes > 59 ? undefined : sign * (60 * hours + minutes) * 60_000
}

/** Power of ten that turns seconds into the unit of a number with that many digits. */
const unitOf = (digits: number): 0 | 3 | 6 | 9 => (digits < 12 ? 0 : digits < 15 ? 3 : digits < 18 ? 6 : 9)
const NANOS_PER_MS = 1_000_000n

const ofEpoch = (text: string): Moment | undefined => {
  if (SHORT_EPOCH.test(text)) return { epochMs: Number(text) * (text.length < 12 ? 1_000 : 1), nanosOfMs: 0 }
  const match = EPOCH.exec(text)
  if (match === null) return undefined
  const [, minus, integer = '', below = '', exponent = '0'] = match
  const sign = minus === '-' ? -1n : 1n
  const [whole, fraction] = withoutExponent(integer, below, Number(exponent))
  const digits = whole.replace(/^0+/, '')
  const places = 9 - unitOf(digits.length)
  const nanos = sign * BigInt(`0${digits}${fraction.slice(0, places).padEnd(places, '0')}`)
  const nanosOfMs = ((nanos % NANOS_PER_MS) + NANOS_PER_MS) % NANOS_PER_MS
  return { epochMs: Number((nanos - nanosOfMs) / NANOS_PER_MS), nanosOfMs: Number(nanosOfMs) }
}

/** The digits before and after the point. Some encoders write large numbers as `1.5248311832e+18`. */
const withoutExponent = (whole: string, fraction: string, exponent: number): readonly [string, string] => {
  const point = whole.length + exponent
  const digits = (whole + fraction).padEnd(point, '0')
  return point > 0 ? [digits.slice(0, point), digits.slice(point)] : ['0', '0'.repeat(-point) + digits]
}

const FIXED = /^[+-]\d\d:\d\d$/

/**
 * The offset of a zone: `UTC`, `+02:00` or an IANA name such as `Europe/Berlin`. When clocks go back, a local time
 * occurs twice and means the first; when they go forward, a local time that is skipped is read with the offset from
 * before. Throws a `RangeError` for an unknown zone.
 */
export const zoneOffset = (zone: string): ZoneOffset => {
  if (zone === 'UTC') return UTC
  if (FIXED.test(zone)) {
    const ms = offsetMs(zone, 0)
    if (ms === undefined) throw new RangeError(`${zone} is not an offset`)
    return () => ms
  }
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  const aheadAt = (epochMs: number): number => {
    const parts = new Map(format.formatToParts(epochMs).map(({ type, value }) => [type, Number(value)]))
    const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0
    const local = Date.UTC(
      part('year'),
      part('month') - 1,
      part('day'),
      part('hour'),
      part('minute'),
      part('second'),
    )
    return local - Math.floor(epochMs / 1_000) * 1_000
  }
  return (localMs) => {
    // An offset changes by a few hours at most, so the offsets a day before and a day after are the only candidates.
    const [before, after] = [aheadAt(localMs - 86_400_000), aheadAt(localMs + 86_400_000)]
    return aheadAt(localMs - before) === before ? before : aheadAt(localMs - after) === after ? after : before
  }
}
