import { isolatedKafka } from '@weir/testkit'
import type { Producer, Transaction } from 'kafkajs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { kafkaClient, kafkaCluster } from '../client/kafka-client.ts'
import { fetchRecords } from './fetch-records.ts'
import { leaderOf, logRange } from '../client/offsets.ts'
import { openTopicReader } from './topic-reader.ts'
import { silentLogger } from '../client/silent-logger.ts'
import { createTopics, readAll } from '../testing/topics.ts'

/**
 * Responses of a real broker when transactions of two writers overlap in one partition and are aborted. The published
 * kafkajs returned aborted records here.
 */
const settings = isolatedKafka('committed', 1)
const client = { settings, logger: silentLogger, clientId: 'weir-test' }
const producers: Producer[] = []
let topic = ''

const begin = async (name: string): Promise<Transaction> => {
  const producer = kafkaClient(client).producer({
    transactionalId: `${settings.topicPrefix}${name}`,
    maxInFlightRequests: 1,
    transactionTimeout: 30_000,
    retry: { initialRetryTime: 20, retries: 10 },
  })
  producers.push(producer)
  await producer.connect()
  return producer.transaction()
}

const write = (transaction: Transaction, value: string, key = 'key') =>
  transaction.send({ topic, acks: -1, messages: [{ key: Buffer.from(key, 'latin1'), value, partition: 0 }] })

const values = (records: readonly { readonly value: Buffer | null }[]): string[] =>
  records.map(({ value }) => value!.toString())

beforeAll(async () => {
  topic = (await createTopics(settings, ['records']))[0]!
  const earlier = await begin('earlier')
  await write(earlier, 'aborted, first begun', '\0\0\0\0')
  const later = await begin('later')
  await write(later, 'aborted, first ended')
  await write(earlier, 'aborted, after a key of four NUL bytes')
  await later.abort()
  await write(earlier, 'aborted, between the ends')
  await earlier.abort()
  const last = await begin('last')
  await write(last, 'committed', '\0\0\0\0')
  await last.commit()
}, 60_000)

afterAll(async () => {
  await Promise.all(producers.map((producer) => producer.disconnect()))
})

it('the reader of a topic sees only committed records', async () => {
  expect(values(await readAll(settings, topic))).toEqual(['committed'])
})

it.each([0n, 1n, 2n, 3n, 4n, 5n])('so does a fetch that begins at offset %i', async (offset) => {
  const cluster = kafkaCluster(client)
  await cluster.connect()
  try {
    await cluster.addMultipleTargetTopics([topic])
    const broker = await leaderOf(cluster, topic, 0)
    const { end } = await logRange(cluster, topic, 0)
    const seen: string[] = []
    // The last offset is the marker of the last commit. The byte limit is so low that each fetch returns one batch.
    for (let at = offset; at < end;) {
      const request = { topic, partition: 0, offset: at, maxBytes: 1 }
      const [fetched] = await fetchRecords(broker, [request], { waitMsMax: 100, bytesMax: 1 })
      seen.push(...values(fetched!.records))
      expect(fetched!.nextOffset).toBeGreaterThan(at)
      at = fetched!.nextOffset
    }
    expect(seen).toEqual(['committed'])
  } finally {
    await cluster.disconnect()
  }
})

it('a range ends at its end, even if markers, aborted records or an open transaction precede it', async () => {
  const open = await begin('open')
  const reader = await openTopicReader(settings, topic)
  try {
    const { end } = (await reader.offsets()).get(0)!
    await write(open, 'not decided')
    const stable = (await reader.stableOffsets()).get(0)!
    expect(stable.end).toBe(end)
    const seen = async (from: bigint, to: bigint, isEnough = false) => {
      const found: string[] = []
      const next = await reader.readRange({ partition: 0, from, end: to }, ({ value }) => {
        found.push(value!.toString())
        return !isEnough
      })
      return { found, next }
    }
    for (let from = 0n; from <= end + 1n; from++) {
      for (let to = from; to <= end + 1n; to++) {
        const found = from <= end - 2n && to >= end - 1n ? ['committed'] : []
        expect(await seen(from, to)).toEqual({ found, next: to })
      }
    }
    // The last offset before the end is the marker of a commit.
    expect(await seen(0n, end, true)).toEqual({ found: ['committed'], next: end - 1n })
    expect(await seen(end - 1n, end)).toEqual({ found: [], next: end })
  } finally {
    await open.abort()
    await reader.close()
  }
})
