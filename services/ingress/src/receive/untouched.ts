import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Connections on which nothing has arrived. Load balancers open connections before they need them, so these live as
 * long as idle ones. Node would close them as late request heads. They count as idle when the server closes.
 */
export class Untouched {
  readonly #sockets = new Set<Socket>()
  readonly #idleMs: number

  constructor(server: Server, idleMs: number) {
    this.#idleMs = idleMs
    const closeIdle = server.closeIdleConnections.bind(server)
    // Node's own `close` calls it.
    server.closeIdleConnections = () => {
      closeIdle()
      for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy()
    }
  }

  /**
   * Returns true if nothing has arrived and the connection stays open. Its first byte starts the time limit of a
   * request head.
   */
  spare(socket: Socket): boolean {
    if (socket.bytesRead > 0 || socket.destroyed) return false
    this.#sockets.add(socket)
    const forget = (): void => void this.#sockets.delete(socket)
    socket.once('close', forget)
    // Closes the connection. The first bytes restart this timer, and after the first response Node sets its own.
    socket.setTimeout(this.#idleMs)
    return true
  }
}
