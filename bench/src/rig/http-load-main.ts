import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import type { LoadResult } from './http-load.ts'

/**
 * Arguments: file of requests, bytes of each, port, connections, seconds, requests per second (0: as many as go).
 * Prints a `LoadResult`.
 */
const [file = '', ...numbers] = process.argv.slice(2)
const [bytesEach = 0, port = 0, connections = 0, seconds = 0, perSec = 0] = numbers.map(Number)

const all = readFileSync(file)
const latencies: number[] = []
let next = 0
let errors = 0
let firstError: string | undefined

const fail = (what: string): void => {
  errors += 1
  firstError ??= what
}

const takeRequest = (): Buffer => {
  const from = (next++ * bytesEach) % all.length
  return all.subarray(from, from + bytesEach)
}

/** One connection with one request at a time. */
class Client {
  readonly #socket: Socket
  readonly #onIdle: (client: Client) => void
  #answer = ''
  #dueAt = 0

  constructor(onIdle: (client: Client) => void) {
    this.#onIdle = onIdle
    this.#socket = connect(port, '127.0.0.1')
    this.#socket.setNoDelay(true).setEncoding('latin1')
    this.#socket.on('data', (text) => this.#read(String(text)))
    this.#socket.on('error', (error) => fail(error.message))
  }

  async connected(): Promise<void> {
    if (this.#socket.connecting) await new Promise((resolve) => this.#socket.once('connect', resolve))
  }

  send(dueAt: number): void {
    this.#dueAt = dueAt
    this.#socket.write(takeRequest())
  }

  close(): void {
    this.#socket.destroy()
  }

  #read(text: string): void {
    this.#answer += text
    const end = this.#answer.indexOf('\r\n\r\n')
    if (end < 0) return
    const length = Number(/content-length: (\d+)/i.exec(this.#answer)?.[1] ?? 0)
    if (this.#answer.length < end + 4 + length) return
    if (this.#answer.startsWith('HTTP/1.1 2')) latencies.push(performance.now() - this.#dueAt)
    else fail(this.#answer.split('\r\n', 1)[0]!)
    this.#answer = ''
    this.#onIdle(this)
  }
}

const idle: Client[] = []
const due: number[] = []
let isOver = false

const onIdle = (client: Client): void => {
  if (isOver) return
  if (perSec === 0) client.send(performance.now())
  else if (due.length > 0) client.send(due.shift()!)
  else idle.push(client)
}

const clients = Array.from({ length: connections }, () => new Client(onIdle))
await Promise.all(clients.map((client) => client.connected()))
const startedAt = performance.now()
for (const client of clients) onIdle(client)

let planned = 0
const pacer = setInterval(() => {
  const now = performance.now()
  for (; perSec > 0 && startedAt + (planned * 1_000) / perSec <= now; planned++) {
    const at = startedAt + (planned * 1_000) / perSec
    const client = idle.shift()
    if (client === undefined) due.push(at)
    else client.send(at)
  }
}, 1)

setTimeout(() => {
  isOver = true
  clearInterval(pacer)
  for (const client of clients) client.close()
  const elapsed = performance.now() - startedAt
  // A due request without a response counts with the longest latency that can be measured.
  latencies.push(...due.map((at) => performance.now() - at))
  latencies.sort((a, b) => a - b)
  const percentile = (p: number) =>
    latencies[Math.min(latencies.length - 1, Math.floor(p * latencies.length))] ?? 0
  const result: LoadResult = {
    perSec: ((latencies.length - due.length) * 1_000) / elapsed,
    errors,
    ...(firstError !== undefined && { firstError }),
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
    p999Ms: percentile(0.999),
  }
  process.stdout.write(`${JSON.stringify(result)}\n`)
}, seconds * 1_000)
