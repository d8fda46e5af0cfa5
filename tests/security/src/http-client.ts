import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import type { Journal } from './journal.ts'

export interface Answer {
  /** 0: none, and `body` says why. */
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
  readonly ms: number
}

export interface HttpRequest {
  readonly method?: string
  readonly path: string
  /** Names and values in turn, sent exactly so; `host` and `content-length` are added. */
  readonly headers: readonly string[]
  readonly raw: Buffer
  /** The peer's address as the server sees it; any of 127.0.0.0/8 works on Linux. */
  readonly from?: string
}

const ANSWER_MS_MAX = 30_000
const CONNECTIONS = 64

/** Speaks well-formed HTTP to one process and notes everything in the journal. */
export class HttpClient {
  readonly port: number
  readonly #journal: Journal
  readonly #agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })

  constructor(port: number, journal: Journal) {
    this.port = port
    this.#journal = journal
  }

  async send(request: HttpRequest): Promise<Answer> {
    // A server may close an idle connection at the moment in which it is used again.
    return (await this.#sendOnce(request, true)) ?? (await this.#sendOnce(request, false))!
  }

  /** Undefined when a reused connection closed before a response came. */
  #sendOnce(
    { method = 'POST', path, headers, raw, from }: HttpRequest,
    mayRepeat: boolean,
  ): Promise<Answer | undefined> {
    const startedAt = performance.now()
    const length = raw.length > 0 || method === 'POST' ? ['content-length', String(raw.length)] : []
    return new Promise((resolve) => {
      const end = (status: number, headersIn: Answer['headers'], body: string): void => {
        this.#journal.add(this.port, raw, status, JSON.stringify(headersIn), body)
        resolve({ status, headers: headersIn, body, ms: performance.now() - startedAt })
      }
      const request = httpRequest(
        {
          host: '127.0.0.1',
          port: this.port,
          method,
          path,
          agent: this.#agent,
          headers: ['host', `127.0.0.1:${this.port}`, ...length, ...headers],
          timeout: ANSWER_MS_MAX,
          ...(from !== undefined && { localAddress: from }),
        },
        (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.once('error', (error) => end(0, {}, error.message))
          response.once('end', () =>
            end(response.statusCode ?? 0, response.headers, Buffer.concat(chunks).toString()),
          )
        },
      )
      request.once('timeout', () => request.destroy(new Error(`no answer in ${ANSWER_MS_MAX} ms`)))
      request.once('error', (error: NodeJS.ErrnoException) => {
        const isStale = mayRepeat && request.reusedSocket && error.code === 'ECONNRESET'
        if (isStale) resolve(undefined)
        else end(0, {}, error.code ?? error.message)
      })
      request.end(raw)
    })
  }

  /** The body of a GET. */
  async get(path: string): Promise<string> {
    const { status, body } = await this.send({ method: 'GET', path, headers: [], raw: Buffer.alloc(0) })
    if (status !== 200) throw new Error(`GET ${path}: ${status}`)
    return body
  }

  close(): void {
    this.#agent.destroy()
  }
}
