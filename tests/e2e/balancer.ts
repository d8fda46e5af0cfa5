import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const LOOK_MS = 50

/**
 * What stands before several instances of ingress: asks each for `/readyz`, and gives requests in turn to those that
 * say yes. Like the usual ones it keeps connections open and sends nothing twice.
 */
export class Balancer {
  /** Requests that no instance answered well, with the time of each. */
  readonly troubles: string[] = []
  readonly #urls: readonly string[]
  #ready: readonly string[] = []
  #turn = 0
  readonly #timer: NodeJS.Timeout
  readonly #server = createServer((incoming, answer) => this.#forward(incoming, answer))

  private constructor(urls: readonly string[]) {
    this.#urls = urls
    this.#timer = setInterval(() => void this.#look(), LOOK_MS)
  }

  static async start(urls: readonly string[]): Promise<Balancer> {
    const balancer = new Balancer(urls)
    await balancer.#look()
    await new Promise<void>((resolve) => balancer.#server.listen(0, '127.0.0.1', resolve))
    return balancer
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #look(): Promise<void> {
    const answers = await Promise.all(
      this.#urls.map((url) =>
        fetch(`${url}/readyz`).then(
          ({ ok }) => ok,
          () => false,
        ),
      ),
    )
    this.#ready = this.#urls.filter((_, i) => answers[i])
  }

  #forward(incoming: IncomingMessage, answer: ServerResponse): void {
    const url = this.#ready[this.#turn++ % this.#ready.length]
    if (url === undefined) {
      this.#note('no instance is ready')
      answer.writeHead(502).end()
      return
    }
    const { method, headers } = incoming
    const outgoing = request(new URL(incoming.url!, url), { method, headers }, (answered) => {
      if (answered.statusCode! >= 500) this.#note(`${url} answered ${answered.statusCode}`)
      // Of the connection to the instance alone: they would promise the client that its own stays open as long.
      const { connection: _, 'keep-alive': _keepAlive, ...headers } = answered.headers
      answer.writeHead(answered.statusCode!, headers)
      answered.pipe(answer)
    })
    outgoing.once('error', ({ message }) => {
      this.#note(`${url}: ${message}`)
      if (answer.headersSent) answer.destroy()
      else answer.writeHead(502).end()
    })
    incoming.pipe(outgoing)
  }

  #note(trouble: string): void {
    this.troubles.push(`${new Date().toISOString()} ${trouble}`)
  }
}
