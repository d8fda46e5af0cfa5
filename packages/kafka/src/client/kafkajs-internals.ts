import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { boundedSockets } from './bounded-sockets.ts'
import type { Logger, Producer, RetryOptions, SASLOptions, Transaction } from 'kafkajs'

/**
 * Types for the parts of kafkajs that it does not export. Only this file knows where they are. The version of kafkajs
 * is pinned and patched (see `patches/`), so these parts cannot change unnoticed.
 */
const require = createRequire(import.meta.url)

export interface FetchPartition {
  readonly partition: number
  readonly fetchOffset: string
  readonly maxBytes: number
}

/** The field of a response by which a kafkajs connection throttles its next requests. */
export interface ThrottledResponse {
  /** Broker throttle time, ms. */
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
  /** By API key; null before the broker is connected. */
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

/**
 * Registers all partitions that the transaction will write to with its coordinator, in one request. Added by the patch.
 */
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

/** The connections of a producer, for requests about its transactions. Added by the patch. */
export const clusterOf = (producer: Producer): Cluster => (producer as PatchedProducer).cluster

/**
 * Makes a producer use an epoch that was requested elsewhere. The producer must not have begun a transaction. Added by
 * the patch.
 */
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

/** Encodes the fields of a request. An array takes encoders. */
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

/** Closes connections whose request timed out, which kafkajs leaves to the operating system. */
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
 * Closes a connection; the next request opens a new one. Removes the listeners of the old socket, because kafkajs would
 * take its end for the end of the new one.
 */
const hangUp = (connection: Connection): void => {
  const { socket } = connection
  connection.rejectRequests(new Error('The connection is being closed'))
  socket?.removeAllListeners()
  socket?.on('error', () => undefined)
  socket?.destroy()
  void connection.disconnect()
}

/** A response that cannot be decoded: unknown codec or damaged batch. A retry gives the same response. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError'
}

const FETCH_API_KEY = 1
const READ_COMMITTED = 1

/**
 * A fetch whose response is decoded by `decode`. The decoder of kafkajs creates many objects per record and rejects the
 * whole response for one bad partition.
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
          throw new DecodeError('a fetch response cannot be decoded', { cause: error })
        }
      },
      parse: (data) => Promise.resolve(data),
    },
    ...(requestTimeout !== undefined && { requestTimeout }),
  })
}

export const protocolErrorType = (code: number): string =>
  errorCodes.find((error) => error.code === code)?.type ?? `error code ${code}`

/** Closes the connections immediately. Requests in flight reject. */
export const disconnectNow = async (cluster: Cluster): Promise<void> => {
  for (const connection of connectionsOf(cluster)) {
    connection.rejectRequests(new Error('The connection is being closed'))
  }
  await cluster.disconnect()
}
