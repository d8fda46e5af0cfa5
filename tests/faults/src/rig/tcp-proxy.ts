import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/**
 * What happens to what goes through: pass; silent: connections are taken and nothing passes, until it does again, as if
 * packets were lost; reset: connections are broken and refused; half-open: connections that are there have lost their
 * other end and are not told, new ones meet silence; slow: each piece waits.
 */
export type ProxyMode =
  | { readonly kind: 'pass' | 'silent' | 'reset' | 'half-open' }
  | { readonly kind: 'slow'; readonly ms: number }

export type Cut = Exclude<ProxyMode['kind'], 'pass' | 'slow'>

interface Address {
  readonly host: string
  readonly port: number
}

/** A TCP proxy on this machine whose connections can be broken in the ways of a network. */
export class TcpProxy {
  readonly #server: Server
  readonly #target: Address
  readonly #pairs = new Set<Pair>()
  #mode: ProxyMode = { kind: 'pass' }

  private constructor(target: Address) {
    this.#target = target
    this.#server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (client) => this.#take(client))
  }

  static async open(from: Address, to: Address): Promise<TcpProxy> {
    const proxy = new TcpProxy(to)
    proxy.#server.listen(from)
    await once(proxy.#server, 'listening')
    return proxy
  }

  set(mode: ProxyMode): void {
    this.#mode = mode
    for (const pair of this.#pairs) pair.enter(mode)
  }

  async close(): Promise<void> {
    for (const pair of this.#pairs) pair.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #take(client: Socket): void {
    if (this.#mode.kind === 'reset') {
      client.resetAndDestroy()
      return
    }
    const pair = new Pair(client, connect({ ...this.#target, allowHalfOpen: true }), () => {
      this.#pairs.delete(pair)
    })
    this.#pairs.add(pair)
    pair.enter(this.#mode)
  }
}

/** One connection, and the one to its target. */
class Pair {
  readonly #client: Socket
  readonly #target: Socket
  #mode: ProxyMode = { kind: 'silent' }
  /** The other end has closed, but this end has not been closed. */
  #isOrphan = false

  constructor(client: Socket, target: Socket, onClose: () => void) {
    this.#client = client
    this.#target = target
    for (const [from, to] of [
      [client, target],
      [target, client],
    ] as const) {
      from.setNoDelay(true)
      from.pause()
      from.on('data', (piece: Buffer) => this.#pass(piece, from, to))
      from.on('end', () => to.end())
      from.on('error', () => this.#ended(to))
      from.on('close', () => {
        if (from === client) onClose()
        this.#ended(to)
      })
      to.on('drain', () => {
        if (this.#isOpen) from.resume()
      })
    }
  }

  get #isOpen(): boolean {
    return this.#mode.kind === 'pass' || this.#mode.kind === 'slow'
  }

  enter(mode: ProxyMode): void {
    this.#mode = mode
    switch (mode.kind) {
      case 'pass':
      case 'slow':
        if (this.#isOrphan) return
        this.#client.resume()
        this.#target.resume()
        return
      case 'silent':
        this.#client.pause()
        this.#target.pause()
        return
      case 'half-open':
        this.#isOrphan = true
        this.#client.pause()
        this.#target.destroy()
        return
      case 'reset':
        this.#client.resetAndDestroy()
        this.#target.resetAndDestroy()
    }
  }

  destroy(): void {
    this.#client.destroy()
    this.#target.destroy()
  }

  #pass(piece: Buffer, from: Socket, to: Socket): void {
    if (this.#mode.kind !== 'slow') {
      if (!to.write(piece)) from.pause()
      return
    }
    from.pause()
    setTimeout(() => {
      if (to.writable) to.write(piece)
      if (this.#isOpen) from.resume()
    }, this.#mode.ms)
  }

  /** One end has gone: so does the other, unless it is not to know. */
  #ended(other: Socket): void {
    if (this.#isOrphan && other === this.#client) return
    other.destroy()
  }
}
