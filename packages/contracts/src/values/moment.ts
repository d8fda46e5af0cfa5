const FIRST_MS = Date.parse('0001-01-01T00:00:00.000Z')
const LAST_MS = Date.parse('9999-12-31T23:59:59.999Z')

/** Whether every store and reader accepts the number as a moment: whole epoch ms, with a year from 1 to 9999. */
export const isMoment = (epochMs: number): boolean =>
  Number.isInteger(epochMs) && epochMs >= FIRST_MS && epochMs <= LAST_MS
