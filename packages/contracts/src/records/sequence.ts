/** The largest value of a 64-bit column and of an Avro long. */
export const SEQUENCE_MAX = 2n ** 63n - 1n

const DIGITS = /^\d{1,19}$/

/** Parses a provider's sequence number exactly, up to 64 bits. Returns undefined for any other text. */
export const parseSequence = (text: string): bigint | undefined => {
  const number = DIGITS.test(text) ? BigInt(text) : undefined
  return number === undefined || number > SEQUENCE_MAX ? undefined : number
}
