import { createHash, timingSafeEqual } from 'node:crypto'
import ipaddr from 'ipaddr.js'

type Range = ReturnType<typeof ipaddr.parseCIDR>

/** `10.0.0.0/8`, or one address. Throws a `RangeError` that names what cannot be read. */
export const parseCidr = (text: string): Range => {
  try {
    if (text.includes('/')) return ipaddr.parseCIDR(text)
    const address = ipaddr.process(text)
    return [address, address.kind() === 'ipv4' ? 32 : 128]
  } catch {
    throw new RangeError(`${text} is not an address or a CIDR range`)
  }
}

/** Whether a peer's address lies in one of the ranges; IPv4 mapped into IPv6 counts as IPv4. */
export const isInRanges = (address: string, ranges: readonly Range[]): boolean => {
  if (!ipaddr.isValid(address)) return false
  const peer = ipaddr.process(address)
  return ranges.some(([range, bits]) => range.kind() === peer.kind() && peer.match(range, bits))
}

/** `Bearer <token>` against the token, in constant time. */
export const isBearer = (header: string | undefined, token: string): boolean => {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(header ?? ''), digest(`Bearer ${token}`))
}
