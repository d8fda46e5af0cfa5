import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net'
import {
  ERROR,
  errorResponse,
  parseRequest,
  rewriteCoordinator,
  rewriteMetadata,
  type Address,
  type Api,
  type ParsedRequest,
  type Target,
} from './wire.ts'

/**
 * The fate of one request: forwarded; lost before the broker; forwarded with a lost response; either of the last two
 * with a broken connection, possibly within the response; or an error code that the proxy made up.
 */
export type Verdict =
  | 'pass'
  | 'lose-request'
  | 'lose-response'
  | 'break-before'
  | 'break-within'
  | 'break-after'
  | { readonly error: number }

export interface SeenRequest extends ParsedRequest {
  /** Index of the proxy node that received the request. */
  readonly node: number
  /** Number of the connection that it arrived on. */
  readonly connection: number
}

interface Node extends Address {
  readonly server: Server
  readonly sockets: Set<Socket>
}

const NODE_ID_FIRST = 101
const NO_LEADER = -1

/**
 * Presents one real broker as one or more nodes. Data and coordinators are real; the test decides which node leads a
 * partition. A request for a partition that the node does not lead gets NOT_LEADER_FOR_PARTITION.
 */
export class KafkaProxy {
  /** Called for each request, in order of arrival. While it waits, the request waits. */
  decide: (request: SeenRequest) => Verdict | Promise<Verdict> = () => 'pass'
  /** Index of the node that leads a partition; -1 without a leader. */
  leader: (target: Target) => number = () => 0
  /** Index of the node that is reported as every coordinator. */
  coordinator = 0
  readonly #nodes: Node[] = []
  readonly #upstream: { readonly host: string; readonly port: number }
  readonly #down = new Set<number>()
  #connections = 0

  private constructor(broker: string) {
    const [host, port] = broker.split(':')
    this.#upstream = { host: host!, port: Number(port) }
  }

  static async start(broker: string, nodes = 1): Promise<KafkaProxy> {
    const proxy = new KafkaProxy(broker)
    for (let i = 0; i < nodes; i++) await proxy.#listen(i)
    return proxy
  }

  get brokers(): string[] {
    return this.#nodes.map(({ port }) => `127.0.0.1:${port}`)
  }

  /** Sets the verdicts for the next requests of a kind, one each. All other requests are forwarded. */
  script(api: Api, verdicts: readonly Verdict[]): { readonly left: () => number } {
    const waiting = [...verdicts]
    const before = this.decide
    this.decide = (request) => {
      if (request.api !== api || waiting.length === 0) return before(request)
      return waiting.shift()!
    }
    return { left: () => waiting.length }
  }

  /** When true, closes all connections and refuses new ones, until it is called with false. */
  setDown(isDown: boolean, node?: number): void {
    for (const index of this.#nodes.keys()) {
      if (node !== undefined && node !== index) continue
      if (isDown) this.#down.add(index)
      else this.#down.delete(index)
      if (isDown) for (const socket of this.#nodes[index]!.sockets) socket.destroy()
    }
  }

  async stop(): Promise<void> {
    this.setDown(true)
    await Promise.all(this.#nodes.map(({ server }) => new Promise((resolve) => server.close(resolve))))
  }

  async #listen(index: number): Promise<void> {
    const sockets = new Set<Socket>()
    const server = createServer((socket) => this.#accept(index, socket))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    this.#nodes.push({ nodeId: NODE_ID_FIRST + index, port, server, sockets })
  }

  #accept(index: number, client: Socket): void {
    const { sockets } = this.#nodes[index]!
    if (this.#down.has(index)) {
      client.destroy()
      return
    }
    this.#connections += 1
    const number = this.#connections
    const broker = connect(this.#upstream)
    const open = new Map<number, { request: SeenRequest; verdict: Verdict }>()
    const end = () => {
      sockets.delete(client)
      client.destroy()
      broker.destroy()
    }
    sockets.add(client)
    for (const socket of [client, broker]) {
      socket.setNoDelay(true)
      socket.on('error', end)
      socket.on('close', end)
    }
    onFrames(
      client,
      (frame) =>
        void this.#request({ node: index, connection: number }, frame, { client, broker, open, end }),
    )
    onFrames(broker, (frame) => {
      const correlationId = frame.readInt32BE(0)
      const { request, verdict } = open.get(correlationId)!
      open.delete(correlationId)
      if (verdict === 'break-after') end()
      else if (verdict === 'break-within') client.end(framed(frame).subarray(0, 8 + frame.length / 2), end)
      else if (verdict !== 'lose-response') write(client, this.#rewrite(request, frame))
    })
  }

  async #request(
    from: { readonly node: number; readonly connection: number },
    frame: Buffer,
    connection: {
      readonly client: Socket
      readonly broker: Socket
      readonly open: Map<number, { request: SeenRequest; verdict: Verdict }>
      readonly end: () => void
    },
  ): Promise<void> {
    const { client, broker, open, end } = connection
    const request = { ...parseRequest(frame), ...from }
    const verdict = await this.decide(request)
    if (verdict === 'lose-request') return
    if (verdict === 'break-before') {
      end()
    } else if (typeof verdict === 'object') {
      write(client, errorResponse(request, verdict.error))
    } else if (this.#isElsewhere(request)) {
      write(client, errorResponse(request, ERROR.notLeader))
    } else {
      open.set(request.correlationId, { request, verdict })
      write(broker, frame)
    }
  }

  #isElsewhere({ api, node, targets }: SeenRequest): boolean {
    if (api !== 'produce' && api !== 'fetch' && api !== 'listOffsets') return false
    return targets.some((target) => this.leader(target) !== node)
  }

  #rewrite({ api }: SeenRequest, frame: Buffer): Buffer {
    const nodeAt = (index: number) => this.#nodes[index]!
    if (api === 'metadata') {
      return rewriteMetadata(frame, this.#nodes, (target) => {
        const index = this.leader(target)
        return index < 0 ? NO_LEADER : nodeAt(index).nodeId
      })
    }
    if (api === 'findCoordinator') return rewriteCoordinator(frame, nodeAt(this.coordinator))
    return frame
  }
}

const framed = (frame: Buffer): Buffer => {
  const length = Buffer.alloc(4)
  length.writeInt32BE(frame.length)
  return Buffer.concat([length, frame])
}

const write = (socket: Socket, frame: Buffer): void => {
  if (!socket.destroyed) socket.write(framed(frame))
}

/** Calls back with each complete frame, without its length field. */
const onFrames = (socket: Socket, onFrame: (frame: Buffer) => void): void => {
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (bytes: Buffer) => {
    rest = Buffer.concat([rest, bytes])
    while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
      const end = 4 + rest.readInt32BE(0)
      onFrame(rest.subarray(4, end))
      rest = rest.subarray(end)
    }
  })
}
