import { createHash, timingSafeEqual } from 'node:crypto'

/** `Bearer <token>` against the token, in constant time. */
export const isBearer = (header: string | undefined, token: string): boolean =>
  isOfScheme(BEARER, header, token)

/** `Basic <base64>` against `user:password`, in constant time. */
export const isBasic = (header: string | undefined, credentials: string): boolean =>
  isOfScheme(BASIC, header, Buffer.from(credentials).toString('base64'))

/** The scheme is in any case, with one blank or more behind it (RFC 9110, 11.4). */
const BEARER = /^bearer +/i
const BASIC = /^basic +/i

const isOfScheme = (scheme: RegExp, header = '', expected: string): boolean =>
  scheme.test(header) && isSameText(header.replace(scheme, ''), expected)

/** In constant time. */
export const isSameText = (given: string, expected: string): boolean => {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}
