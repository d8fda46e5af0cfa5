import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** How a server of a protocol begins an answer of `bytes` bytes; and what it says first, to be taken for one. */
interface Protocol {
  readonly begin: (bytes: number) => Buffer
  readonly greeting?: Buffer
}

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

/** A row of a result, whose length counts itself. */
const row = (bytes: number): Buffer => Buffer.concat([Buffer.from('D'), int32(bytes + 4)])

const PROTOCOLS = {
  http: {
    begin: (bytes) =>
      Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${bytes}\r\n\r\n`),
  },
  kafka: { begin: int32 },
  postgres: { begin: row },
  /** AuthenticationOk and ReadyForQuery come first. */
  postgresSession: { begin: row, greeting: Buffer.from('5200000008000000005a0000000549', 'hex') },
} satisfies Record<string, Protocol>

export type HostileProtocol = keyof typeof PROTOCOLS

const GIGABYTE = 1_000_000_000
const DRIP_MS = 20

/** `begin` gives the beginning of an answer of so many bytes. */
type Act = (socket: Socket, begin: (bytes: number) => Buffer) => void

/** What a server may do instead of answering, once it has accepted a connection and was asked something. */
const ACTS = {
  'never answers': () => undefined,
  'answers half and falls silent': (socket, begin) =>
    void socket.write(Buffer.concat([begin(100), Buffer.alloc(20, 0x20)])),
  'hangs up in an answer': (socket, begin) =>
    void socket.end(Buffer.concat([begin(100), Buffer.alloc(20, 0x20)])),
  'answers garbage': (socket) => void socket.write(randomBytes(65_536)),
  'answers a gigabyte': (socket, begin) => {
    socket.write(begin(GIGABYTE))
    const more = () => {
      while (!socket.destroyed && socket.write(Buffer.alloc(262_144, 0x20)));
    }
    socket.on('drain', more)
    more()
  },
  drips: (socket, begin) => {
    socket.write(begin(GIGABYTE))
    const timer = setInterval(() => socket.write(' '), DRIP_MS).unref()
    socket.on('close', () => clearInterval(timer))
  },
  'resets the connection': (socket) => void socket.resetAndDestroy(),
} satisfies Record<string, Act>

export type HostileWay = keyof typeof ACTS

/** For `it.each`: every call to another server must end with each of them, in bounded time and memory. */
export const HOSTILE_WAYS = Object.keys(ACTS) as readonly HostileWay[]

/** Listens on a port of 127.0.0.1 until the test has finished, and acts so on each connection. */
export const hostileServer = async (protocol: HostileProtocol, way: HostileWay): Promise<number> => {
  const sockets = new Set<Socket>()
  const act: Act = ACTS[way]
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined))
    const { begin, greeting }: Protocol = PROTOCOLS[protocol]
    socket.once('data', () => {
      if (greeting === undefined) {
        act(socket, begin)
      } else {
        socket.write(greeting)
        socket.once('data', () => act(socket, begin))
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

export interface Ordeal {
  /** What the call came to; a value when it did not reject. */
  readonly outcome: unknown
  readonly ms: number
  /** By how much the process grew at most meanwhile. */
  readonly grownBytes: number
}

/** Runs a call that a hostile server is asked in. */
export const ordeal = async (call: () => Promise<unknown>): Promise<Ordeal> => {
  const before = process.memoryUsage.rss()
  let most = before
  const watch = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 10)
  const startedAt = performance.now()
  const outcome = await call().catch((error: unknown) => error)
  clearInterval(watch)
  return { outcome, ms: performance.now() - startedAt, grownBytes: most - before }
}
