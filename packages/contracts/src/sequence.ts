/** The largest number of a 64-bit column and of an Avro long. */
export const SEQUENCE_MAX = 2n ** 63n - 1n

const DIGITS = /^\d{1,19}$/

/** A provider's sequence number from its decimal digits: exact up to 64 bits; undefined for anything else. */
export const parseSequence = (text: string): bigint | undefined => {
  const number = DIGITS.test(text) ? BigInt(text) : undefined
  return number === undefined || number > SEQUENCE_MAX ? undefined : number
}
