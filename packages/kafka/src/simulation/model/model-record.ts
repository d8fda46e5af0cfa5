import type { InputRecord, OutputRecord } from '../../protocol/record.ts'

/** Encodes a record as the text that the model's logs store. */
export const encodeRecord = ({ key, value }: Pick<OutputRecord, 'key' | 'value'>): string =>
  JSON.stringify([key.toString('latin1'), value?.toString('latin1') ?? null])

export const decodeRecord = (text: string): Pick<InputRecord, 'key' | 'value'> => {
  const [key, value] = JSON.parse(text) as [string | null, string | null]
  return { key: bytesOf(key), value: bytesOf(value) }
}

const bytesOf = (text: string | null): Buffer | null => (text === null ? null : Buffer.from(text, 'latin1'))

export const textOf = (bytes: Buffer | null): string => bytes?.toString('latin1') ?? ''
