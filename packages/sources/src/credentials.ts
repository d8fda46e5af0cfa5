import { credentialsOf, isSameText } from '@weir/contracts'

/** Compares `Basic <base64>` with `user:password` in constant time. */
export const isBasic = (header: string | undefined, credentials: string): boolean => {
  const given = credentialsOf('basic', header)
  return given !== undefined && isSameText(given, Buffer.from(credentials).toString('base64'))
}
