import { createHash, timingSafeEqual } from 'node:crypto'

/** A scheme is in any case, with one blank or more behind it (RFC 9110, 11.4). */
const SCHEMES = { bearer: /^bearer +/i, basic: /^basic +/i }

/**
 * What a header `Authorization` holds behind the name of the scheme; undefined: there is no header, or it has another
 * scheme.
 */
export const credentialsOf = (
  scheme: keyof typeof SCHEMES,
  header: string | undefined,
): string | undefined =>
  header !== undefined && SCHEMES[scheme].test(header) ? header.replace(SCHEMES[scheme], '') : undefined

/** Compares in constant time. */
export const isSameText = (given: string, expected: string): boolean => {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}

/** Whether the header is `Bearer <token>` with this token; compares in constant time. */
export const isBearer = (header: string | undefined, token: string): boolean => {
  const given = credentialsOf('bearer', header)
  return given !== undefined && isSameText(given, token)
}
