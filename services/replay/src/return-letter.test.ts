import {
  bodyChecksumOf,
  encodeDeadLetter,
  encodeReceivedWebhook,
  entityKeyOf,
  eventKeyOf,
  isBodyWhole,
  topicNames,
} from '@weir/contracts'
import { expect, it } from 'vitest'
import { fixUp } from './job.ts'
import { readLetter } from './letter.ts'
import { returnLetter, type ReturnOptions } from './return-letter.ts'

const options = {
  ...{ topics: topicNames(), partitions: 1, keys: undefined, bodyHashKey: '', sources: [] },
} as unknown as ReturnOptions

const letter = () => {
  const raw = Buffer.from('{"id":"call-1"}')
  const origin = {
    ...{ topic: 'webhooks.unique.v1', partition: 0, offset: 0n, timestamp: 0 },
    ...encodeReceivedWebhook({
      ...{ source: 'cxone', interactionId: 'call-1', dedupKey: 'call-1', eventType: 't', receivedAt: 0, raw },
      ...{ entityKey: entityKeyOf('cxone', 'call-1'), eventKey: eventKeyOf('cxone', 'call-1') },
      bodyHash: Buffer.alloc(8),
    }),
  }
  const encoded = encodeDeadLetter({ origin, reason: 'unmappable', step: 's', error: 'e', failedAt: 0 })
  const record = { ...{ topic: 'normalizer.dlq.v1', partition: 0, offset: 0n, timestamp: 0 }, ...encoded }
  return readLetter('normalizer', record, 'pending_inspection')
}

it.each([undefined, fixUp.parse({ name: 'region', set: { region: 'eu' } })])(
  'a letter returns with the checksum of the body that it has then (%j)',
  async (edit) => {
    const job = { id: 'job', ...(edit && { fixUp: edit }) } as Parameters<typeof returnLetter>[1]
    const answer = await returnLetter(letter(), job, options)
    const returned = answer.kind === 'returns' ? answer.output : expect.unreachable(answer.why)
    expect(returned.value!.toString()).toBe(edit ? '{"id":"call-1","region":"eu"}' : '{"id":"call-1"}')
    expect(isBodyWhole(returned.headers, returned.value!)).toBe(true)
    expect(bodyChecksumOf(returned.value!)).toEqual(returned.headers['body-crc32'])
  },
)
