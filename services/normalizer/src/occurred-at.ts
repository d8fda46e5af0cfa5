/** A moment as exact as it was sent, to the nanosecond. */
export interface Moment {
  /** Rounded down. */
  readonly epochMs: number
  /** From 0 to 999,999. */
  readonly nanosOfMs: number
}

/** What turns a time without a zone into UTC: the milliseconds that the zone is ahead of UTC at a local time. */
export type ZoneOffset = (localMs: number) => number

export const UTC: ZoneOffset = () => 0

/** Before it and from it on there are placeholders only, such as .NET's 0001-01-01 and 9999-12-31. */
const FROM_MS = Date.UTC(1900, 0, 1)
const UNTIL_MS = Date.UTC(9999, 11, 30)

const ISO =
  /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,30}))?)?[ ]?([Zz]|[+-]\d\d(?::?\d\d)?)?)?$/
const EPOCH = /^(-?)(\d{1,30})(?:\.(\d{1,30}))?(?:[eE]([+-]?\d{1,2}))?$/

/**
 * The moment of an ISO 8601 text, or of seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by
 * magnitude: below 10^11, 10^14 and 10^17. Undefined for anything else: other forms mean different moments to different
 * readers. A day that does not exist is no moment. `zone` counts for a time that names none.
 */
export const momentOf = (text: string, zone: ZoneOffset): Moment | undefined => {
  const moment = ofIso(ISO.exec(text), zone) ?? ofEpoch(EPOCH.exec(text))
  return moment !== undefined && moment.epochMs >= FROM_MS && moment.epochMs < UNTIL_MS ? moment : undefined
}

const ofIso = (match: RegExpExecArray | null, zone: ZoneOffset): Moment | undefined => {
  if (match === null) return undefined
  const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = '', offset] = match
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined
  const midnight = Date.UTC(Number(year), Number(month) - 1, Number(day))
  // `Date.UTC` makes the 31st of April the 1st of May, and the year 50 the year 1950.
  const date = new Date(midnight)
  const exists =
    date.getUTCDate() === Number(day) &&
    date.getUTCMonth() === Number(month) - 1 &&
    date.getUTCFullYear() === Number(year)
  if (!exists) return undefined
  const nanos = Number(fraction.slice(0, 9).padEnd(9, '0'))
  const localMs =
    midnight +
    3_600_000 * Number(hour) +
    60_000 * Number(minute) +
    1_000 * Number(second) +
    Math.floor(nanos / 1e6)
  const aheadMs = offset === undefined ? zone(localMs) : offsetMs(offset)
  return aheadMs === undefined ? undefined : { epochMs: localMs - aheadMs, nanosOfMs: nanos % 1_000_000 }
}

const offsetMs = (offset: string): number | undefined => {
  if (/^z$/i.test(offset)) return 0
  const [hours, minutes] = [Number(offset.slice(1, 3)), Number(offset.slice(3).replace(':', ''))]
  if (hours > 23 || minutes > 59) return undefined
  return (offset.startsWith('-') ? -1 : 1) * (60 * hours + minutes) * 60_000
}

/** The exponent of a second in the unit of a number of so many digits. */
const unitOf = (digits: number): 0 | 3 | 6 | 9 => (digits < 12 ? 0 : digits < 15 ? 3 : digits < 18 ? 6 : 9)
const NANOS_PER_MS = 1_000_000n

const ofEpoch = (match: RegExpExecArray | null): Moment | undefined => {
  if (match === null) return undefined
  const [, minus, given = '', below = '', exponent = '0'] = match
  const sign = minus === '-' ? -1n : 1n
  const [whole, fraction] = withoutExponent(given, below, Number(exponent))
  const digits = whole.replace(/^0+/, '')
  const places = 9 - unitOf(digits.length)
  const nanos = sign * BigInt(`0${digits}${fraction.slice(0, places).padEnd(places, '0')}`)
  const nanosOfMs = ((nanos % NANOS_PER_MS) + NANOS_PER_MS) % NANOS_PER_MS
  return { epochMs: Number((nanos - nanosOfMs) / NANOS_PER_MS), nanosOfMs: Number(nanosOfMs) }
}

/** The digits before and after the point: encoders write large doubles as `1.5248311832e+18`. */
const withoutExponent = (whole: string, fraction: string, exponent: number): readonly [string, string] => {
  const point = whole.length + exponent
  const digits = (whole + fraction).padEnd(point, '0')
  return point > 0 ? [digits.slice(0, point), digits.slice(point)] : ['0', '0'.repeat(-point) + digits]
}

const FIXED = /^[+-]\d\d:\d\d$/

/**
 * The offset of a zone: `UTC`, `+02:00` or an IANA name such as `Europe/Berlin`. Where clocks go back, a local time means
 * the earlier of its two moments; where they go forward, one that does not exist means the moment that an unchanged clock
 * would show. Throws a `RangeError` for a zone that is not known.
 */
export const zoneOffset = (zone: string): ZoneOffset => {
  if (zone === 'UTC') return UTC
  if (FIXED.test(zone)) {
    const ms = offsetMs(zone)
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
    // Offsets change by a few hours at most: a day before and after, both candidates are certain.
    const [before, after] = [aheadAt(localMs - 86_400_000), aheadAt(localMs + 86_400_000)]
    return aheadAt(localMs - before) === before ? before : aheadAt(localMs - after) === after ? after : before
  }
}
