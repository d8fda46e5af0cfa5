import { connect } from 'node:net'

/**
 * The few requests of Kafka's protocol that the rig makes itself, one connection each: who leads and coordinates what,
 * and where offsets are. What judges a run must not share the faults of the client that the product uses.
 */
const REQUEST_MS_MAX = 5_000

class Writer {
  readonly #parts: Buffer[] = []

  #add(size: number, write: (buffer: Buffer) => void): this {
    const buffer = Buffer.alloc(size)
    write(buffer)
    this.#parts.push(buffer)
    return this
  }

  int8 = (value: number): this => this.#add(1, (buffer) => buffer.writeInt8(value))
  int16 = (value: number): this => this.#add(2, (buffer) => buffer.writeInt16BE(value))
  int32 = (value: number): this => this.#add(4, (buffer) => buffer.writeInt32BE(value))
  int64 = (value: bigint): this => this.#add(8, (buffer) => buffer.writeBigInt64BE(value))

  text(value: string): this {
    const bytes = Buffer.from(value)
    this.int16(bytes.length)
    this.#parts.push(bytes)
    return this
  }

  list<T>(items: readonly T[], write: (item: T) => void): this {
    this.int32(items.length)
    for (const item of items) write(item)
    return this
  }

  bytes = (): Buffer => Buffer.concat(this.#parts)
}

class Reader {
  readonly #buffer: Buffer
  #at = 0

  constructor(buffer: Buffer) {
    this.#buffer = buffer
  }

  #skip(size: number): number {
    this.#at += size
    return this.#at - size
  }

  int8 = (): number => this.#buffer.readInt8(this.#skip(1))
  int16 = (): number => this.#buffer.readInt16BE(this.#skip(2))
  int32 = (): number => this.#buffer.readInt32BE(this.#skip(4))
  int64 = (): bigint => this.#buffer.readBigInt64BE(this.#skip(8))

  text(): string {
    const length = this.int16()
    if (length < 0) return ''
    const from = this.#skip(length)
    return this.#buffer.toString('utf8', from, from + length)
  }

  list<T>(read: () => T): T[] {
    const length = this.int32()
    return Array.from({ length: Math.max(0, length) }, read)
  }
}

const API = {
  listOffsets: [2, 3],
  metadata: [3, 6],
  offsetFetch: [9, 4],
  findCoordinator: [10, 2],
  deleteTopics: [20, 1],
  deleteGroups: [42, 0],
} as const satisfies Record<string, readonly [key: number, version: number]>

/** Rejects when the broker does not respond within 5 s. */
const ask = (address: string, api: keyof typeof API, body: Writer): Promise<Reader> =>
  new Promise((resolve, reject) => {
    const [host = '', port = ''] = address.split(':')
    const [key, version] = API[api]
    const request = Buffer.concat([
      new Writer().int16(key).int16(version).int32(1).text('weir-faults').bytes(),
      body.bytes(),
    ])
    const socket = connect({ host, port: Number(port) })
    let answer = Buffer.alloc(0)
    const fail = (error: Error): void => {
      socket.destroy()
      reject(error)
    }
    socket.setTimeout(REQUEST_MS_MAX, () => fail(new Error(`${address} does not answer ${api}`)))
    socket.once('error', fail)
    socket.once('close', () => fail(new Error(`${address} closed the connection at ${api}`)))
    socket.on('data', (data: Buffer) => {
      answer = Buffer.concat([answer, data])
      if (answer.length < 4 || answer.length < 4 + answer.readInt32BE(0)) return
      // After the size comes the correlation id.
      resolve(new Reader(answer.subarray(8)))
      socket.destroy()
    })
    socket.once('connect', () =>
      socket.write(Buffer.concat([new Writer().int32(request.length).bytes(), request])),
    )
  })

export interface PartitionMetadata {
  readonly topic: string
  readonly partition: number
  /** -1: none. */
  readonly leader: number
  readonly replicas: readonly number[]
  readonly inSync: readonly number[]
}

export interface ClusterMetadata {
  /** `host:port` by node. */
  readonly brokers: ReadonlyMap<number, string>
  readonly partitions: readonly PartitionMetadata[]
}

/** All topics, the internal ones too. */
export const fetchMetadata = async (address: string): Promise<ClusterMetadata> => {
  const answer = await ask(address, 'metadata', new Writer().int32(-1).int8(0))
  answer.int32()
  const brokers = answer.list(() => {
    const broker = { nodeId: answer.int32(), host: answer.text(), port: answer.int32() }
    answer.text()
    return broker
  })
  answer.text()
  answer.int32()
  const partitions = answer.list(() => {
    answer.int16()
    const topic = answer.text()
    answer.int8()
    return answer.list((): PartitionMetadata => {
      answer.int16()
      const partition = answer.int32()
      const leader = answer.int32()
      const replicas = answer.list(answer.int32)
      const inSync = answer.list(answer.int32)
      answer.list(answer.int32)
      return { topic, partition, leader, replicas, inSync }
    })
  })
  return {
    brokers: new Map(brokers.map(({ nodeId, host, port }) => [nodeId, `${host}:${port}`])),
    partitions: partitions.flat(),
  }
}

/** The node that coordinates a group or a transactional id; rejects while there is none. */
export const findCoordinator = async (
  address: string,
  kind: 'group' | 'transaction',
  key: string,
): Promise<{ readonly nodeId: number; readonly address: string }> => {
  const answer = await ask(address, 'findCoordinator', new Writer().text(key).int8(kind === 'group' ? 0 : 1))
  answer.int32()
  const error = answer.int16()
  answer.text()
  if (error !== 0) throw new Error(`the coordinator of ${kind} ${key} is not known: error ${error}`)
  const nodeId = answer.int32()
  return { nodeId, address: `${answer.text()}:${answer.int32()}` }
}

/** high-watermark: after the last replicated record. last-stable: no open transaction is below it. */
export type OffsetKind = 'high-watermark' | 'last-stable'

/** By partition number, of those partitions of a topic that the broker leads. */
export const listOffsets = async (
  address: string,
  kind: OffsetKind,
  topic: string,
  partitions: readonly number[],
): Promise<ReadonlyMap<number, bigint>> => {
  const request = new Writer().int32(-1).int8(kind === 'last-stable' ? 1 : 0)
  request.list([topic], (name) => {
    request.text(name)
    request.list(partitions, (partition) => request.int32(partition).int64(-1n))
  })
  const answer = await ask(address, 'listOffsets', request)
  answer.int32()
  const found = new Map<number, bigint>()
  answer.list(() => {
    answer.text()
    answer.list(() => {
      const partition = answer.int32()
      const error = answer.int16()
      answer.int64()
      const offset = answer.int64()
      if (error !== 0) throw new Error(`offsets of ${topic}/${partition}: error ${error}`)
      found.set(partition, offset)
    })
  })
  return found
}

/** What a group has committed, by `topic/partition`. */
export const fetchCommitted = async (
  address: string,
  group: string,
): Promise<ReadonlyMap<string, bigint>> => {
  const answer = await ask(address, 'offsetFetch', new Writer().text(group).int32(-1))
  answer.int32()
  const committed = new Map<string, bigint>()
  answer.list(() => {
    const topic = answer.text()
    answer.list(() => {
      const partition = answer.int32()
      committed.set(`${topic}/${partition}`, answer.int64())
      answer.text()
      answer.int16()
    })
  })
  return committed
}

const requireDone = (what: string, answer: Reader): void => {
  answer.int32()
  answer.list(() => {
    const name = answer.text()
    const error = answer.int16()
    if (error !== 0) throw new Error(`${what} ${name}: error ${error}`)
  })
}

/** To be asked of its coordinator, when it has no members. */
export const deleteGroup = async (address: string, group: string): Promise<void> => {
  const request = new Writer()
  request.list([group], (name) => request.text(name))
  requireDone('deleting the group', await ask(address, 'deleteGroups', request))
}

export const deleteTopic = async (address: string, topic: string): Promise<void> => {
  const request = new Writer()
  request.list([topic], (name) => request.text(name)).int32(REQUEST_MS_MAX)
  requireDone('deleting the topic', await ask(address, 'deleteTopics', request))
}
