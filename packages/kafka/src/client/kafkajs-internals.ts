import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { boundedSockets } from './bounded-sockets.ts'
import type { Logger, Producer, RetryOptions, SASLOptions, Transaction } from 'kafkajs'

/**
 * The parts of kafkajs that it does not export, with types: the only file that knows where they are.
 * Its version is pinned and patched (see `patches/`), so what is here cannot change unseen.
 */
const require = createRequire(import.meta.url)

export interface FetchPartition {
  readonly partition: number
  readonly fetchOffset: string
  readonly maxBytes: number
}

/** The answer of a fetch, as far as the connection has to know it. */
export interface ThrottledResponse {
  /** How long the broker asks not to be asked, ms. */
  readonly clientSideThrottleTime?: number
}

export interface ProtocolRequest<T> {
  readonly request: {
    readonly apiName?: string
    readonly apiKey?: number
    readonly apiVersion?: number
    readonly encode?: () => Promise<Encoder>
  }
  readonly response: {
    readonly decode: (data: Buffer) => Promise<T>
    readonly parse: (data: T) => Promise<T>
  }
  readonly requestTimeout?: number
}

interface Connection {
  readonly host: string
  readonly port: number
  readonly socket?: Socket
  rejectRequests(error: Error): void
  disconnect(): Promise<unknown>
}

export interface Broker {
  readonly nodeId: number
  /** By API key; null before it is connected. */
  readonly versions: Readonly<
    Record<number, { readonly minVersion: number; readonly maxVersion: number }>
  > | null
  readonly connectionPool: {
    readonly pool: readonly Connection[]
    send<T>(request: ProtocolRequest<T>): Promise<T>
  }
  lookupRequest(apiKey: number, definition: unknown): (parameters: object) => ProtocolRequest<unknown>
  disconnect(): Promise<void>
  listOffsets(
    request: object,
  ): Promise<{ responses: { topic: string; partitions: { partition: number; offset: string }[] }[] }>
  offsetFetch(
    request: object,
  ): Promise<{
    responses: {
      topic: string
      partitions: { partition: number; offset: string; metadata: string | null }[]
    }[]
  }>
  initProducerId(request: {
    transactionalId: string
    transactionTimeout: number
  }): Promise<{ producerId: string; producerEpoch: number }>
  joinGroup(
    request: object,
  ): Promise<{
    generationId: number
    leaderId: string
    memberId: string
    groupProtocol: string
    members: { memberId: string; memberMetadata: Buffer }[]
  }>
  syncGroup(request: object): Promise<{ memberAssignment: Buffer }>
  heartbeat(request: object): Promise<unknown>
  leaveGroup(request: object): Promise<unknown>
}

export interface Cluster {
  readonly brokerPool: {
    readonly metadata: { readonly clusterId: string | null } | null
    readonly brokers: Readonly<Record<string, Broker>>
    readonly seedBroker?: Broker
  }
  isConnected(): boolean
  connect(): Promise<void>
  disconnect(): Promise<void>
  refreshMetadata(): Promise<void>
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>
  findBroker(node: { nodeId: string }): Promise<Broker>
  findGroupCoordinator(group: { groupId: string; coordinatorType?: number }): Promise<Broker>
  findTopicPartitionMetadata(
    topic: string,
  ): readonly { readonly partitionId: number; readonly leader: number }[]
}

interface ClusterOptions {
  readonly logger: Logger
  readonly socketFactory: unknown
  readonly brokers: () => string[]
  readonly ssl: ConnectionOptions | false
  readonly sasl: SASLOptions | undefined
  readonly clientId: string
  readonly connectionTimeout: number
  readonly requestTimeout: number
  readonly metadataMaxAge: number
  readonly retry: RetryOptions
  readonly allowAutoTopicCreation: boolean
  readonly instrumentationEmitter: Emitter
}

interface Emitter {
  addListener(
    event: string,
    listener: (event: { readonly payload: { readonly broker: string } }) => void,
  ): unknown
}

/** Tells the coordinator of all partitions that the transaction will write to, once; a patched one has it. */
export const addPartitions = (
  transaction: Transaction,
  topics: readonly {
    readonly topic: string
    readonly partitions: readonly { readonly partition: number }[]
  }[],
): Promise<void> =>
  (transaction as Transaction & { addPartitions(wanted: typeof topics): Promise<void> }).addPartitions(topics)

interface PatchedProducer extends Producer {
  readonly cluster: Cluster
  adopt(given: { readonly producerId: string; readonly epoch: number }): void
}

/** The connections of a producer, to ask about its transactions on them; a patched one has it. */
export const clusterOf = (producer: Producer): Cluster => (producer as PatchedProducer).cluster

/** Lets a producer that has begun nothing work in an epoch that its id was given; a patched one can. */
export const adoptEpoch = (producer: Producer, ...given: Parameters<PatchedProducer['adopt']>): void =>
  (producer as PatchedProducer).adopt(...given)

const ClusterClass = require('kafkajs/src/cluster') as new (options: ClusterOptions) => Cluster
const EmitterClass = require('kafkajs/src/instrumentation/emitter') as new () => Emitter
const { NETWORK_REQUEST_TIMEOUT } = require('kafkajs/src/network/instrumentationEvents') as {
  NETWORK_REQUEST_TIMEOUT: string
}
const { requests } = require('kafkajs/src/protocol/requests') as { requests: { Fetch: unknown } }
const { errorCodes } = require('kafkajs/src/protocol/error') as {
  errorCodes: readonly { type: string; code: number }[]
}

/** Writes what requests are made of; an array takes writers. */
export interface Encoder {
  writeInt8(value: number): Encoder
  writeInt16(value: number): Encoder
  writeInt32(value: number): Encoder
  writeInt64(value: bigint | string): Encoder
  writeBoolean(value: boolean): Encoder
  writeUVarInt(value: number): Encoder
  writeUVarIntString(value: string): Encoder
  writeUVarIntArray(values: readonly Encoder[], type: 'object'): Encoder
}

export interface Decoder {
  readInt16(): number
  readInt32(): number
  readInt64(): { toString(): string }
  readUVarIntString(): string | null
  readUVarIntArray<T>(read: (decoder: Decoder) => T): T[] | null
  readTaggedFields(): unknown
}

export const EncoderClass = require('kafkajs/src/protocol/encoder') as new () => Encoder
export const DecoderClass = require('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => Decoder

/** Connections that gave no answer in time are closed, which kafkajs leaves to the operating system. */
export const createCluster = (
  options: Omit<ClusterOptions, 'socketFactory' | 'instrumentationEmitter'>,
): Cluster => {
  const instrumentationEmitter = new EmitterClass()
  const socketFactory = boundedSockets()
  const cluster = new ClusterClass({ ...options, socketFactory, instrumentationEmitter })
  instrumentationEmitter.addListener(NETWORK_REQUEST_TIMEOUT, ({ payload }) => {
    for (const connection of connectionsOf(cluster)) {
      if (`${connection.host}:${connection.port}` === payload.broker) hangUp(connection)
    }
  })
  return cluster
}

const connectionsOf = ({ brokerPool: { brokers, seedBroker } }: Cluster): readonly Connection[] => {
  const all = new Set([...Object.values(brokers), ...(seedBroker ? [seedBroker] : [])])
  return [...all].flatMap(({ connectionPool }) => connectionPool.pool)
}

/**
 * The next request makes it anew. The old socket must not be heard of again: its end would be taken for the new one's.
 */
const hangUp = (connection: Connection): void => {
  const { socket } = connection
  connection.rejectRequests(new Error('The connection is being closed'))
  socket?.removeAllListeners()
  socket?.on('error', () => undefined)
  socket?.destroy()
  void connection.disconnect()
}

/** An answer that cannot be read: a codec nobody knows, or a broken batch. Asking again gives the same. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError'
}

const FETCH_API_KEY = 1
const READ_COMMITTED = 1

/**
 * A fetch whose answer `decode` reads: kafkajs makes many objects of each record, and throws for one bad partition of
 * many.
 */
export const fetchRaw = async <T extends ThrottledResponse>(
  broker: Broker,
  topics: readonly { readonly topic: string; readonly partitions: readonly FetchPartition[] }[],
  limits: { readonly waitMsMax: number; readonly bytesMax: number },
  decode: (data: Buffer, apiVersion: number) => T,
): Promise<T> => {
  const { waitMsMax: maxWaitTime, bytesMax: maxBytes } = limits
  const { request, requestTimeout } = broker.lookupRequest(
    FETCH_API_KEY,
    requests.Fetch,
  )({ isolationLevel: READ_COMMITTED, maxWaitTime, minBytes: 1, maxBytes, topics })
  return broker.connectionPool.send({
    request,
    response: {
      decode: async (data) => {
        try {
          return decode(data, request.apiVersion!)
        } catch (error) {
          throw new DecodeError('an answer to a fetch cannot be read', { cause: error })
        }
      },
      parse: (data) => Promise.resolve(data),
    },
    ...(requestTimeout !== undefined && { requestTimeout }),
  })
}

export const protocolErrorType = (code: number): string =>
  errorCodes.find((error) => error.code === code)?.type ?? `error code ${code}`

/** Ends the connections at once: what is in flight is rejected instead of waited for. */
export const disconnectNow = async (cluster: Cluster): Promise<void> => {
  for (const connection of connectionsOf(cluster)) {
    connection.rejectRequests(new Error('The connection is being closed'))
  }
  await cluster.disconnect()
}
