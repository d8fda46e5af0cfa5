import { createHash, timingSafeEqual } from 'node:crypto'
import ipaddr from 'ipaddr.js'

export type AddressRange = ReturnType<typeof ipaddr.parseCIDR>

/** Not the short, octal and hexadecimal spellings of IPv4, of which programs think differently. */
const isPlain = (address: string): boolean =>
  ipaddr.IPv4.isValidFourPartDecimal(address) || ipaddr.IPv6.isValid(address)

/** `10.0.0.0/8`, or one address. Throws a `RangeError` that names what cannot be read. */
export const parseCidr = (text: string): AddressRange => {
  const [part = ''] = text.split('/')
  if (!isPlain(part)) throw new RangeError(`${text} is not an address or a CIDR range`)
  try {
    if (text.includes('/')) return ipaddr.parseCIDR(text)
  } catch {
    throw new RangeError(`${text} is not a CIDR range`)
  }
  const address = ipaddr.process(text)
  return [address, address.kind() === 'ipv4' ? 32 : 128]
}

/** Whether a peer's address lies in one of the ranges; IPv4 mapped into IPv6 counts as IPv4. */
export const isInRanges = (address: string, ranges: readonly AddressRange[]): boolean => {
  if (!isPlain(address)) return false
  const peer = ipaddr.process(address)
  return ranges.some(([range, bits]) => range.kind() === peer.kind() && peer.match(range, bits))
}

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
