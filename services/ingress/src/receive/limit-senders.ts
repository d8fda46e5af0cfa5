import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { isInRanges, networkOf, parseCidr } from '@weir/contracts'
import type { IngressConfig } from '../config.ts'

/**
 * One address may have half of all connections, so that it cannot lock out the others. A trusted proxy may have all of
 * them.
 */
export const limitSenders = (
  server: Server,
  { connectionsMax, trustedProxies }: Pick<IngressConfig, 'connectionsMax' | 'trustedProxies'>,
): void => {
  const trusted = trustedProxies.map(parseCidr)
  const max = Math.ceil(connectionsMax / 2)
  const open = new Map<string, number>()
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? ''
    if (isInRanges(address, trusted)) return
    const sender = networkOf(address)
    const count = open.get(sender) ?? 0
    if (count >= max) {
      socket.destroy()
      return
    }
    open.set(sender, count + 1)
    socket.once('close', () => {
      const left = open.get(sender)! - 1
      if (left === 0) open.delete(sender)
      else open.set(sender, left)
    })
  })
}
