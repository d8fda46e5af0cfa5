import type { IncomingMessage } from 'node:http'
import { isInRanges, type AddressRange } from '@weir/sources'

/**
 * The address that a request comes from: the peer's, or, when that is a trusted proxy, the last one of
 * `X-Forwarded-For` that is not: what stands before it is hearsay.
 */
export const peerAddressOf = (
  {
    socket,
    headers,
  }: Pick<IncomingMessage, 'headers'> & { readonly socket: { readonly remoteAddress?: string | undefined } },
  trusted: readonly AddressRange[],
): string => {
  const hops = [headers['x-forwarded-for'] ?? []]
    .flat()
    .join()
    .split(',')
    .filter((hop) => hop !== '')
  let address = socket.remoteAddress ?? ''
  while (hops.length > 0 && isInRanges(address, trusted)) address = hops.pop()!.trim()
  return address
}
