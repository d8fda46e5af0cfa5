import type { Message, RecordMetadata } from 'kafkajs'
import { isBrokerError } from '../client/kafka-client.ts'

export interface SendGroupsOptions {
  /** Undefined when the leader is unknown; the records are then sent in their own request. */
  readonly leaderOf: (partition: number) => number | undefined
  readonly send: (messages: Message[]) => Promise<readonly RecordMetadata[]>
}

interface Waiting {
  readonly messages: Message[]
  readonly resolve: (results: readonly RecordMetadata[]) => void
  readonly reject: (error: unknown) => void
}

/**
 * Sends one request at a time to each broker, with the records of all partitions that it leads. A broker processes the
 * requests of a connection in sequence, and a request costs more than its records.
 */
export class SendGroups {
  readonly #options: SendGroupsOptions
  readonly #brokers = new Map<number, Waiting[]>()

  constructor(options: SendGroupsOptions) {
    this.#options = options
  }

  /** Sends messages of one partition. Resolves with the results of the whole request and rejects as `send` does. */
  send(partition: number, messages: Message[]): Promise<readonly RecordMetadata[]> {
    const leader = this.#options.leaderOf(partition)
    if (leader === undefined) return this.#options.send(messages)
    return new Promise((resolve, reject) => {
      const waiting = this.#brokers.get(leader)
      if (waiting !== undefined) {
        waiting.push({ messages, resolve, reject })
        return
      }
      this.#brokers.set(leader, [{ messages, resolve, reject }])
      // Deferred, so that lanes whose sends completed together share the next request.
      setImmediate(() => void this.#sendGroup(leader))
    })
  }

  async #sendGroup(leader: number): Promise<void> {
    const group = this.#brokers.get(leader)!
    this.#brokers.set(leader, [])
    try {
      const results = await this.#options.send(group.flatMap(({ messages }) => messages))
      for (const { resolve } of group) resolve(results)
    } catch (error) {
      // One partition's error is not another's.
      const isOwn = group.length === 1 || !isBrokerError(error)
      for (const { messages, resolve, reject } of group) {
        if (isOwn) reject(error)
        else this.#options.send(messages).then(resolve, reject)
      }
    }
    setImmediate(() => {
      if (this.#brokers.get(leader)!.length > 0) void this.#sendGroup(leader)
      else this.#brokers.delete(leader)
    })
  }
}
