import type { IncomingMessage } from 'node:http'
import { isInRanges, type AddressRange } from '@weir/contracts'

/** An address with a port, as some proxies write it: `203.0.113.5:51422`, `[2001:db8::1]:443`, `[2001:db8::1]`. */
const WITH_PORT = /^(?:(\d+\.\d+\.\d+\.\d+):\d{1,5}|\[([\da-f:.]+)\](?::\d{1,5})?)$/i

const addressOf = (text: string): string => {
  const [, v4, v6] = WITH_PORT.exec(text) ?? []
  return v4 ?? v6 ?? text
}

/** The origin of a request: the last address in `X-Forwarded-For` that does not belong to a trusted proxy. */
export const peerOf = ({ socket, headers }: IncomingMessage, trusted: readonly AddressRange[]): string => {
  let peer = socket.remoteAddress ?? ''
  if (trusted.length === 0 || !isInRanges(peer, trusted)) return peer
  // Node has joined repeated headers.
  const given = headers['x-forwarded-for']
  const forwarded = given === undefined ? [] : String(given).split(',')
  for (const text of forwarded.toReversed()) {
    peer = addressOf(text.trim())
    if (!isInRanges(peer, trusted)) return peer
  }
  return peer
}
