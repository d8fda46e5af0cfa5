const FIRST_MS = Date.parse('0001-01-01T00:00:00.000Z')
const LAST_MS = Date.parse('9999-12-31T23:59:59.999Z')

/** Whether every store and every reader takes this as a moment: whole epoch ms, with a year of four digits. */
export const isMoment = (epochMs: number): boolean =>
  Number.isInteger(epochMs) && epochMs >= FIRST_MS && epochMs <= LAST_MS
