import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { Restore } from './row-store.ts'

/** Stands between a sink and its store, and breaks their connections. A message is what one read of a socket gives. */
export interface TcpProxy {
  /** On 127.0.0.1. */
  readonly port: number
  /** See `RowStore`. */
  readonly cutAfter: (messages: number) => void
  readonly takeAway: () => Promise<Restore>
  close(): void
}

export const openTcpProxy = async (target: {
  readonly host: string
  readonly port: number
}): Promise<TcpProxy> => {
  const sockets = new Set<Socket>()
  let isAway = false
  let messagesLeft = Infinity
  const cut = (): void => {
    messagesLeft = Infinity
    for (const socket of sockets) socket.destroy()
  }
  const relay = (from: Socket, to: Socket): void => {
    sockets.add(from)
    from.on('error', () => undefined)
    from.on('close', () => {
      sockets.delete(from)
      to.destroy()
    })
    from.on('data', (data) => {
      messagesLeft -= 1
      if (messagesLeft < 0) cut()
      else to.write(data)
    })
  }
  const server = createServer((client) => {
    if (isAway) {
      client.on('error', () => undefined)
      client.destroy()
      return
    }
    const upstream = connect(target)
    relay(client, upstream)
    relay(upstream, client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    cutAfter: (messages) => {
      messagesLeft = messages
    },
    takeAway: () => {
      isAway = true
      cut()
      return Promise.resolve(() => {
        isAway = false
        return Promise.resolve()
      })
    },
    close: () => {
      cut()
      server.close()
    },
  }
}
