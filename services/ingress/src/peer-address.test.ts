import { parseCidr } from '@weir/sources'
import { describe, expect, it } from 'vitest'
import { peerAddressOf } from './peer-address.ts'

const of = (remoteAddress: string | undefined, forwarded: string | undefined, trusted: readonly string[]) =>
  peerAddressOf(
    { socket: { remoteAddress }, headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded } },
    trusted.map(parseCidr),
  )

describe('the address that a request comes from', () => {
  it.each([
    ['is the peer without trusted proxies', '192.0.2.1', '10.0.0.1', [], '192.0.2.1'],
    ['is the peer when that is no trusted proxy', '192.0.2.1', '10.0.0.1', ['10.0.0.0/8'], '192.0.2.1'],
    ['is the proxy itself when it forwards for nobody', '10.0.0.1', undefined, ['10.0.0.0/8'], '10.0.0.1'],
    ['is what the trusted proxy says', '10.0.0.1', '192.0.2.7', ['10.0.0.0/8'], '192.0.2.7'],
    [
      'is the last that is not trusted',
      '10.0.0.1',
      '192.0.2.7, 198.51.100.9, 10.9.9.9',
      ['10.0.0.0/8'],
      '198.51.100.9',
    ],
    ['is not what the client wrote first', '10.0.0.1', '127.0.0.1,192.0.2.7', ['10.0.0.0/8'], '192.0.2.7'],
    ['is the first when all are trusted', '10.0.0.1', '10.0.0.3, 10.0.0.2', ['10.0.0.0/8'], '10.0.0.3'],
    ['knows IPv4 in IPv6', '::ffff:10.0.0.1', '192.0.2.7', ['10.0.0.0/8'], '192.0.2.7'],
    ['is of IPv6 too', 'fd00::1', '2001:db8::7', ['fd00::/8'], '2001:db8::7'],
    ['stops at what is no address', '10.0.0.1', '192.0.2.7, unknown', ['10.0.0.0/8'], 'unknown'],
    ['skips empty hops', '10.0.0.1', '192.0.2.7,,', ['10.0.0.0/8'], '192.0.2.7'],
    ['is nothing when the peer is gone', undefined, '192.0.2.7', ['10.0.0.0/8'], ''],
  ] as const)('%s', (_what, peer, forwarded, trusted, expected) => {
    expect(of(peer, forwarded, trusted)).toBe(expected)
  })
})
