import type { TimestampSpec } from './spec.ts'

/** Decimal digits only, and as many as the unit has now: ms where seconds are due are refused by their length. */
const FORMS = { s: /^[1-9]\d{0,10}$/, ms: /^[1-9]\d{11,13}$/ } as const

/** Epoch ms, or undefined for anything but a plain number of the unit. */
export const parseTimestamp = (text: string, unit: TimestampSpec['unit']): number | undefined =>
  FORMS[unit].test(text) ? Number(text) * (unit === 's' ? 1_000 : 1) : undefined

/** Whether two moments, epoch ms, are within the tolerance of each other. */
export const isFresh = (timestamp: number, now: number, toleranceSecs: number): boolean =>
  Math.abs(now - timestamp) <= toleranceSecs * 1_000

export const formatTimestamp = (now: number, unit: TimestampSpec['unit']): string =>
  String(unit === 's' ? Math.floor(now / 1_000) : Math.floor(now))
