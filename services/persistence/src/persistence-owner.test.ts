import { bodyChecksumOf, HEADER, topicNames, type InteractionEvent, type WireHeaders } from '@weir/contracts'
import type { MassFailureGuard } from '@weir/consumer'
import type { EventReader } from '@weir/event-codec'
import type { InputRecord } from '@weir/kafka'
import type { Counter } from '@weir/service-kit'
import { expect, it } from 'vitest'
import { PersistenceOwner } from './persistence-owner.ts'

const topics = topicNames()
const BODY = Buffer.from('{"interactionId":"call-1","secret":"s"}')

/** Stores one event whose body is `raw`; gives the stored bodies and the letters. */
const store = async (raw: Buffer, headers: WireHeaders) => {
  const stored: Buffer[] = []
  const owner = new PersistenceOwner({
    ...{ topics, partition: 0, keys: undefined },
    reader: { decode: () => Promise.resolve({ raw } as InteractionEvent) } as unknown as EventReader,
    sink: {
      write: (events) => {
        stored.push(...events.map((event) => event.raw))
        return Promise.resolve(events.map(() => ({ kind: 'stored' as const })))
      },
      close: () => Promise.resolve(),
    },
    rows: { inc: () => undefined } as unknown as Counter<'result'>,
    guard: {
      check: () => undefined,
      committed: () => undefined,
      close: () => undefined,
    } as unknown as MassFailureGuard,
  })
  const record: InputRecord = {
    ...{ topic: topics.normalized, partition: 0, offset: 0n, timestamp: 0 },
    ...{ key: Buffer.from('cxone|call-1'), value: Buffer.from('avro'), headers },
  }
  const { signal } = new AbortController()
  const { outputs } = await owner.stage({
    ...{ topic: topics.normalized, partition: 0, records: [record], nextOffset: 1n, signal },
    ownershipIsFresh: () => true,
  })
  return { stored, outputs }
}

it('stores the body that came in, and no other: each flipped bit is a letter', async () => {
  const headers = { [HEADER.bodyCrc32]: bodyChecksumOf(BODY) }
  expect(await store(BODY, headers)).toEqual({ stored: [BODY], outputs: [] })
  for (let bit = 0; bit < BODY.length * 8; bit++) {
    const damaged = Buffer.from(BODY)
    damaged[bit >> 3]! ^= 1 << (bit & 7)
    const { stored, outputs } = await store(damaged, headers)
    expect(stored).toEqual([])
    expect(outputs.map(({ headers: letter }) => letter[HEADER.dlqReason]?.toString())).toEqual([
      'body_damaged',
    ])
    expect(outputs[0]!.headers[HEADER.dlqError]?.toString()).not.toContain('secret')
  }
})

it('stores a body without a checksum: ingress of an earlier version wrote none', async () => {
  expect(await store(BODY, {})).toEqual({ stored: [BODY], outputs: [] })
})
