import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

/**
 * Fate of a write. held: it waits until `release`, even after its sender has given up; broken: the connection breaks
 * before it arrives; unanswered: it arrives, and its response is lost.
 */
export type WriteFate = 'passed' | 'held' | 'broken' | 'unanswered'

/** A proxy before InfluxDB that can delay writes, lose them, or lose their responses. */
export class InfluxProxy {
  readonly #server: Server
  readonly #target: string
  #fate: WriteFate = 'passed'
  #count = 0
  #held: (() => Promise<unknown>)[] = []

  private constructor(target: string) {
    this.#target = target
    this.#server = createServer((request, response) => {
      this.#take(request, response).catch(() => response.destroy())
    })
  }

  static async open(target: string): Promise<InfluxProxy> {
    const proxy = new InfluxProxy(target)
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Writes since the last `set`. */
  get count(): number {
    return this.#count
  }

  set(fate: WriteFate): void {
    this.#fate = fate
    this.#count = 0
  }

  /** Forwards the held writes in their order. */
  async release(): Promise<void> {
    for (const send of this.#held.splice(0)) await send()
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request)
    const { method = 'GET', url = '/', headers } = request
    const { authorization } = headers
    const send = () =>
      fetch(`${this.#target}${url}`, {
        method,
        ...(body.length > 0 && { body }),
        ...(authorization !== undefined && { headers: { authorization } }),
      })
    this.#count += 1
    switch (this.#fate) {
      case 'broken':
        request.socket.resetAndDestroy()
        return
      case 'held':
        this.#held.push(send)
        return
      case 'unanswered':
        await send()
        return
      case 'passed': {
        const answer = await send()
        response.writeHead(answer.status).end(await answer.text())
      }
    }
  }
}
