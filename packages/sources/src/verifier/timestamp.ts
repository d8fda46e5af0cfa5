import type { TimestampSpec } from './spec.ts'

type Unit = TimestampSpec['unit']

/** Decimal digits, as many as the unit has at present, so that milliseconds are refused where seconds are expected. */
const FORMS = { s: /^[1-9]\d{0,10}$/, ms: /^[1-9]\d{11,13}$/ } as const
/** Without a zone it would be a different moment on each machine. */
const ISO = /^((\d{4}-\d{2}-\d{2})T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?)(?:Z|([+-]\d{2}):?(\d{2})?)$/
const DAY_LENGTH = 10

/** Epoch ms. Undefined if the text is not a moment in this unit. */
export const parseTimestamp = (text: string, unit: Unit): number | undefined => {
  if (unit === 'iso') return parseIso(text)
  return FORMS[unit].test(text) ? Number(text) * (unit === 's' ? 1_000 : 1) : undefined
}

const parseIso = (text: string): number | undefined => {
  const [, local, day, hours, minutes = '00'] = ISO.exec(text) ?? []
  if (day === undefined) return undefined
  // `Date` accepts only offsets such as +02:00, and ISO 8601 allows others.
  const moment = Date.parse(`${local}${hours === undefined ? 'Z' : `${hours}:${minutes}`}`)
  // `Date` reads 30 February as a day in March.
  const midnight = Date.parse(`${day}T00:00:00Z`)
  if (Number.isNaN(moment) || Number.isNaN(midnight)) return undefined
  return new Date(midnight).toISOString().slice(0, DAY_LENGTH) === day ? moment : undefined
}

/** Tells whether two moments in epoch ms are within the tolerance. */
export const isFresh = (timestamp: number, now: number, toleranceSecs: number): boolean =>
  Math.abs(now - timestamp) <= toleranceSecs * 1_000

export const formatTimestamp = (now: number, unit: Unit): string => {
  if (unit === 'iso') return new Date(now).toISOString()
  return String(unit === 's' ? Math.floor(now / 1_000) : Math.floor(now))
}

export const describeUnit = (unit: Unit): string =>
  ({
    s: 'a plain number of seconds since 1970',
    ms: 'a plain number of milliseconds since 1970',
    iso: 'a date and time with its zone, such as 2026-01-31T12:00:00Z',
  })[unit]
