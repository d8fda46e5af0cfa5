import ipaddr from 'ipaddr.js'

export type AddressRange = ReturnType<typeof ipaddr.parseCIDR>

/** Rejects the short, octal and hexadecimal spellings of IPv4, which programs read differently. */
const isPlain = (address: string): boolean =>
  ipaddr.IPv4.isValidFourPartDecimal(address) || ipaddr.IPv6.isValid(address)

/** Parses `10.0.0.0/8` or a single address. Throws a `RangeError` that quotes a text it cannot parse. */
export const parseCidr = (text: string): AddressRange => {
  const [part = ''] = text.split('/')
  if (!isPlain(part)) throw new RangeError(`${text} is not an address or a CIDR range`)
  try {
    if (text.includes('/')) return unmapped(ipaddr.parseCIDR(text))
  } catch {
    throw new RangeError(`${text} is not a CIDR range`)
  }
  const address = ipaddr.process(text)
  return [address, address.kind() === 'ipv4' ? 32 : 128]
}

const MAPPED_BITS = 96

/** Turns a range of IPv4-mapped IPv6 addresses into the IPv4 range, because lookups convert addresses the same way. */
const unmapped = ([address, bits]: AddressRange): AddressRange =>
  address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() && bits >= MAPPED_BITS
    ? [address.toIPv4Address(), bits - MAPPED_BITS]
    : [address, bits]

/** Whether a peer's address lies in one of the ranges. An IPv4-mapped IPv6 address counts as IPv4. */
export const isInRanges = (address: string, ranges: readonly AddressRange[]): boolean => {
  if (!isPlain(address)) return false
  const peer = ipaddr.process(address)
  return ranges.some(([range, bits]) => range.kind() === peer.kind() && peer.match(range, bits))
}

const NETWORK_LENGTH_MAX = 64

/**
 * Identifies one sender: an IPv4 address, or the first 64 bits of an IPv6 address, because a customer gets a whole /64.
 */
export const networkOf = (address: string): string => {
  if (!isPlain(address)) return address.slice(0, NETWORK_LENGTH_MAX)
  const peer = ipaddr.process(address)
  return peer.kind() === 'ipv4' ? peer.toString() : (peer as ipaddr.IPv6).parts.slice(0, 4).join(':')
}

/** All public IPv6 addresses lie in 2000::/3. */
const SPACES = { ipv4: ipaddr.parseCIDR('0.0.0.0/0'), ipv6: ipaddr.parseCIDR('2000::/3') } as const

/**
 * Whether the ranges together cover at least half of all addresses of a family: `0.0.0.0/0`, `::/0`, or a union of
 * smaller ranges with the same effect.
 */
export const isEverywhere = (ranges: readonly AddressRange[]): boolean =>
  Object.values(SPACES).some((space) => {
    const [first, last] = boundsOf(space)
    const inside = ranges
      .filter(([address]) => address.kind() === space[0].kind())
      .map(boundsOf)
      .map(([from, to]) => [from < first ? first : from, to > last ? last : to] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    let [covered, next] = [0n, first]
    for (const [from, to] of inside) {
      const begin = from > next ? from : next
      if (to < begin) continue
      covered += to - begin + 1n
      next = to + 1n
    }
    return 2n * covered >= last - first + 1n
  })

/** The first and the last address as numbers. */
const boundsOf = ([address, bits]: AddressRange): readonly [bigint, bigint] => {
  const bytes = address.toByteArray()
  const value = BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
  const size = 1n << BigInt(8 * bytes.length - bits)
  const from = value - (value % size)
  return [from, from + size - 1n]
}
