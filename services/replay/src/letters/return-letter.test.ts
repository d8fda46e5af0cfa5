import { gzipSync } from 'node:zlib'
import {
  bodyChecksumOf,
  contentKeyOf,
  encodeDeadLetter,
  encodeReceivedWebhook,
  entityKeyOf,
  eventKeyOf,
  isBodyWhole,
  topicNames,
  type FormedBody,
  type IntakeError,
} from '@weir/contracts'
import { partitionOf } from '@weir/kafka'
import { parseSourcesFile } from '@weir/sources'
import { expect, it } from 'vitest'
import { exportLetter } from './export-letter.ts'
import { fixUp } from '../jobs/job.ts'
import { readLetter } from './letter.ts'
import { returnLetter, type ReturnOptions } from './return-letter.ts'

const options = {
  topics: topicNames(),
  partitions: 1,
  keys: undefined,
  bodyHashKey: '',
  sources: [],
} as unknown as ReturnOptions

const letter = (body: FormedBody = { raw: Buffer.from('{"id":"call-1"}') }) => {
  const { raw, bodyForm } = body
  const origin = {
    topic: 'webhooks.unique.v1',
    partition: 0,
    offset: 0n,
    timestamp: 0,
    ...encodeReceivedWebhook({
      source: 'cxone',
      interactionId: 'call-1',
      dedupKey: 'call-1',
      eventType: 't',
      receivedAt: 0,
      raw,
      entityKey: entityKeyOf('cxone', 'call-1'),
      eventKey: eventKeyOf('cxone', 'call-1'),
      bodyHash: Buffer.alloc(8),
      ...(bodyForm && { bodyForm }),
    }),
  }
  const encoded = encodeDeadLetter({ origin, reason: 'unmappable', step: 's', error: 'e', failedAt: 0 })
  const record = { topic: 'normalizer.dlq.v1', partition: 0, offset: 0n, timestamp: 0, ...encoded }
  return readLetter('normalizer', record, 'pending_inspection')
}

it.each([undefined, fixUp.parse({ name: 'region', set: { region: 'eu' } })])(
  'a letter returns with the checksum of its new body (%j)',
  async (edit) => {
    const job = { id: 'job', ...(edit && { fixUp: edit }) } as Parameters<typeof returnLetter>[1]
    const answer = await returnLetter(letter(), job, options)
    const returned = answer.kind === 'returns' ? answer.output : expect.unreachable(answer.why)
    expect(returned.value!.toString()).toBe(edit ? '{"id":"call-1","region":"eu"}' : '{"id":"call-1"}')
    expect(isBodyWhole(returned.headers, returned.value!)).toBe(true)
    expect(bodyChecksumOf(returned.value!)).toEqual(returned.headers['body-crc32'])
  },
)

it('a letter of a wrong partition returns unchanged to the right one, without a fix-up', async () => {
  const raw = Buffer.from('NaN')
  const key = entityKeyOf('cxone', 'call-1')
  const webhook = encodeReceivedWebhook({
    source: 'cxone',
    interactionId: '',
    dedupKey: 'malformed:1',
    eventType: 'malformed',
    receivedAt: 0,
    raw,
    entityKey: key,
    eventKey: eventKeyOf('cxone', 'malformed:1'),
    bodyHash: Buffer.alloc(8),
    intakeError: { reason: 'invalid_json', detail: 'd', answered: 'rejected' },
  })
  const place = { partition: 0, offset: 0n, timestamp: 0 }
  const encoded = encodeDeadLetter({
    origin: { topic: 'webhooks.received.v1', ...place, ...webhook },
    reason: 'wrong_partition',
    step: 'ownPartition',
    error: 'e',
    failedAt: 0,
  })
  const misplaced = readLetter('dedup', { topic: 'dedup.dlq.v1', ...place, ...encoded }, 'pending_inspection')
  const job = { id: 'job' } as Parameters<typeof returnLetter>[1]
  const answer = await returnLetter(misplaced, job, { ...options, partitions: 7 })
  const returned = answer.kind === 'returns' ? answer.output : expect.unreachable(answer.why)
  expect([returned.topic, returned.partition]).toEqual(['dedup.replay.v1', partitionOf(Buffer.from(key), 7)])
  expect(returned.value).toEqual(raw)
  expect(returned.headers).toMatchObject(webhook.headers)
})

it.each([
  ['content that came again under another id', 'content_repeated', 'd-2'],
  ['an approved conflict', 'key_conflict', `d-2#${'00'.repeat(8)}`],
] as const)('%s is not held for its content when it returns', async (_, reason, dedupKey) => {
  const raw = Buffer.from('{}')
  const webhook = encodeReceivedWebhook({
    source: 'github',
    interactionId: 'a/b',
    dedupKey: 'd-2',
    eventType: 'push',
    receivedAt: 0,
    raw,
    entityKey: entityKeyOf('github', 'a/b'),
    eventKey: eventKeyOf('github', 'd-2'),
    bodyHash: Buffer.alloc(8),
    contentKey: contentKeyOf('github', raw),
  })
  const place = { partition: 0, offset: 0n, timestamp: 0 }
  const encoded = encodeDeadLetter({
    origin: { topic: 'webhooks.received.v1', ...place, ...webhook },
    reason,
    step: 'a step of dedup',
    error: 'e',
    failedAt: 0,
  })
  const held = readLetter('dedup', { topic: 'dedup.dlq.v1', ...place, ...encoded }, 'pending_inspection')
  const answer = await returnLetter(held, { id: 'job' } as Parameters<typeof returnLetter>[1], options)
  const returned = answer.kind === 'returns' ? answer.output : expect.unreachable(answer.why)
  expect(returned.topic).toBe('dedup.replay.v1')
  expect(returned.headers['event-key']).toEqual(eventKeyOf('github', dedupKey))
  expect(returned.headers['content-key']).toBeUndefined()
})

/** A letter of ingress, as it returns with a fix-up that sets fields. */
const fixMalformed = (
  source: string,
  entry: string,
  body: string,
  set: Record<string, unknown>,
  kept: Pick<IntakeError, 'isElement' | 'keyFacts'> = {},
) => {
  const { sources } = parseSourcesFile(`version: 1\nsources:\n  ${source}: ${entry}\n`)
  const place = { partition: 0, offset: 0n, timestamp: 0 }
  const webhook = encodeReceivedWebhook({
    source,
    interactionId: '',
    dedupKey: 'malformed:1',
    eventType: 'malformed',
    receivedAt: 0,
    entityKey: entityKeyOf(source, 'malformed:1'),
    eventKey: eventKeyOf(source, 'malformed:1'),
    bodyHash: Buffer.alloc(8),
    raw: Buffer.from(body),
    intakeError: { reason: 'missing_field', detail: 'd', answered: 'accepted', ...kept },
  })
  const encoded = encodeDeadLetter({
    origin: { topic: 'webhooks.received.v1', ...place, ...webhook },
    reason: 'missing_field',
    step: 'intake',
    error: 'e',
    failedAt: 0,
  })
  const malformed = readLetter('dedup', { topic: 'dedup.dlq.v1', ...place, ...encoded }, 'pending_inspection')
  const job = { id: 'job', fixUp: fixUp.parse({ name: 'fixed', set }) } as Parameters<typeof returnLetter>[1]
  return returnLetter(malformed, job, { ...options, sources })
}

it('a repaired body gets the keys that its request would have given it', async () => {
  const meta = await fixMalformed(
    'pages',
    '{ preset: meta }',
    '{"time":1}',
    { id: 'p' },
    { isElement: true, keyFacts: { 'batch:object': 'page' } },
  )
  const hook = await fixMalformed(
    'hooks',
    '{ preset: github }',
    '{"zen":""}',
    { hook_id: 7 },
    { keyFacts: { 'header:x-github-event': 'ping', 'header:x-github-delivery': 'd-1' } },
  )
  const [entry, ping] = [meta, hook].map((one) => {
    const { headers } = one.kind === 'returns' ? one.output : expect.unreachable(one.why)
    expect(headers).not.toHaveProperty('key-facts')
    expect(headers).not.toHaveProperty('element')
    return [headers['event-type']!.toString(), headers['dedup-key']!.toString()]
  })
  expect(entry![0]).toBe('page')
  expect(ping).toEqual(['ping', 'd-1'])
})

it('an element keeps its own field with the name of the array of the batch', async () => {
  const body = '{"id":"a","events":[{"id":"b"}]}'
  const answer = await fixMalformed('feed', FEED, body, { type: 't' }, { isElement: true })
  const returned = answer.kind === 'returns' ? answer.output : expect.unreachable(answer.why)
  expect(returned.value!.toString()).toBe('{"id":"a","events":[{"id":"b"}],"type":"t"}')
})

const FEED = '{ preset: custom, split: $.events, eventType: "{type}" }'

it('a malformed element of a batch returns as a separate event, and a whole batch stays', async () => {
  const give = (body: string) => fixMalformed('feed', FEED, body, { type: 't' })
  const element = await give('{"id":"a","n":1524831183200260097}')
  const returned = element.kind === 'returns' ? element.output : expect.unreachable(element.why)
  expect(returned.value!.toString()).toBe('{"id":"a","n":1524831183200260097,"type":"t"}')
  expect(returned.headers['event-key']).toEqual(eventKeyOf('feed', 'a'))
  // It became one event with the whole batch in it.
  for (const body of ['{"events":[{"id":"a"}]}', '{"events":[]}', '{"events":[1,2]}']) {
    expect(await give(body)).toMatchObject({
      kind: 'stays',
      why: expect.stringContaining('is a batch') as string,
    })
  }
})

it('a fix-up edits the JSON in a compressed form, and plain JSON returns', async () => {
  const raw = gzipSync('payload=%7B%22id%22%3A%22call-1%22%7D')
  const body = { raw, bodyForm: { coding: 'gzip', layout: 'payload' } } as const
  const edit = fixUp.parse({ name: 'region', set: { region: 'eu' } })
  const job = { id: 'job', fixUp: edit } as Parameters<typeof returnLetter>[1]
  const answer = await returnLetter(letter(body), job, options)
  const returned = answer.kind === 'returns' ? answer.output : expect.unreachable(answer.why)
  expect(returned.value!.toString()).toBe('{"id":"call-1","region":"eu"}')
  expect(returned.headers['body-form']).toBeUndefined()

  const asItWas = await returnLetter(
    letter(body),
    { id: 'job' } as Parameters<typeof returnLetter>[1],
    options,
  )
  const unchanged = asItWas.kind === 'returns' ? asItWas.output : expect.unreachable(asItWas.why)
  expect(unchanged.value).toEqual(raw)
  expect(unchanged.headers['body-form']!.toString()).toBe('gzip payload')
  expect(exportLetter(letter(body), 'cxone-router', undefined)).toMatchObject({ payload: { id: 'call-1' } })
})
