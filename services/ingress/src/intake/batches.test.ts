import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeReceivedWebhook } from '@weir/contracts'
import { PRESETS, sign, type HmacSpec } from '@weir/sources'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { TestIngress } from '../testing/test-ingress.ts'

const dir = mkdtempSync(join(tmpdir(), 'weir-batches-'))
const file = join(dir, 'sources.yaml')
writeFileSync(
  file,
  `version: 1
sources:
  whole: { preset: custom, unsigned: true, split: '$', eventType: '{type}' }
  lenient: { preset: custom, unsigned: true, split: '$', eventType: '{type}', onInvalid: accept-dlq }
  nested: { preset: custom, unsigned: true, split: $.data.items, eventType: '{batch:kind}', splitItemsMax: 3 }
  calls: { preset: cxone, unsigned: true, split: events, responseProfile: cxone }
  single: { preset: custom, unsigned: true }
  hooks: { preset: github, unsigned: true }
  guarded: { preset: custom, split: '$', dedupKey: '{header:x-delivery}:{id}', guardContent: true }
  volatile: { preset: custom, unsigned: true, split: '$', volatileFields: [attempt] }
`,
)
const SECRET = 'a secret of the guarded source'
const GUARDED = PRESETS.custom.verifier as HmacSpec
const ingress = new TestIngress({ SOURCES_FILE: file, SOURCE_GUARDED_SECRETS: SECRET })
beforeAll(() => ingress.listen())
afterAll(async () => {
  await ingress.close()
  rmSync(dir, { recursive: true, force: true })
})
beforeEach(() => ingress.forget())

const post = (source: string, body: string | Buffer, headers: Record<string, string> = {}) =>
  ingress.call({
    path: `/webhooks/${source}`,
    body,
    headers: { 'content-type': 'application/json', ...headers },
  })
const written = () => ingress.written.map(decodeReceivedWebhook)
const texts = () => written().map(({ raw }) => raw.toString())
const reasons = () => written().map(({ intakeError }) => intakeError?.reason)

describe('a batch', () => {
  it('becomes one event for each element, with its exact bytes', async () => {
    const elements = [
      '{"id":1524831183200260097,"type":"t","n":10.00}',
      '{ "type" : "\\u0074",\n"id":"b]}," }',
      '{"id":"c","type":"t","list":[[],{"x":"é"}]}',
    ]
    const { status, body } = await post('whole', ` [ ${elements.join(' ,\r\n\t')} ]\n`)
    expect(status).toBe(200)
    expect(texts()).toEqual(elements)
    expect(written().map(({ dedupKey, eventType }) => [dedupKey, eventType])).toEqual([
      ['1524831183200260097', 't'],
      ['b]},', 't'],
      ['c', 't'],
    ])
    expect(JSON.parse(body)).toEqual({
      status: 'accepted',
      elements: 3,
      malformed: 0,
      eventKeys: written().map(({ eventKey }) => eventKey.toString('hex')),
    })
  })

  it('identifies each element like a single body', async () => {
    const element = '{"id":"a","type":"t"}'
    await post('whole', element)
    await post('whole', `[${element}]`)
    const [single, one] = ingress.written
    expect(one).toEqual({ ...single, headers: { ...one!.headers } })
    const same = ['event-key', 'body-hash', 'body-crc32', 'dedup-key', 'interaction-id', 'event-type']
    for (const name of same) expect(one!.headers[name]).toEqual(single!.headers[name])
  })

  it('can be at a path, and its own fields can be part of the keys of its elements', async () => {
    const body = '{"kind":"page","data":{"items":[{"id":"a"},{"id":"b"}],"more":1}}'
    expect((await post('nested', body)).status).toBe(200)
    expect(written().map(({ dedupKey, eventType }) => [dedupKey, eventType])).toEqual([
      ['a', 'page'],
      ['b', 'page'],
    ])
  })

  it('without elements is accepted, and nothing is written', async () => {
    const answer = await post('whole', '[ ]')
    expect([answer.status, answer.body]).toEqual([
      200,
      '{"status":"accepted","elements":0,"malformed":0,"eventKeys":[]}',
    ])
    expect(await post('nested', '{"data":{"items":[]}}')).toMatchObject({ status: 200 })
    expect(written()).toEqual([])
  })

  it('is refused with 413 above its count, and nothing of it is written', async () => {
    const of = (count: number) =>
      `{"kind":"k","data":{"items":[${Array(count).fill('{"id":"a"}').join(',')}]}}`
    expect((await post('nested', of(3))).status).toBe(200)
    ingress.forget()
    const { status, body } = await post('nested', of(4))
    expect([status, body]).toEqual([413, '{"error":"More than 3 elements: send them in several requests"}'])
    expect((await post('whole', `[${Array(1_001).fill('{}').join(',')}]`)).status).toBe(413)
    expect(written()).toEqual([])
    expect((await post('whole', `[${Array(1_000).fill('{"type":"t"}').join(',')}]`)).status).toBe(200)
    expect(ingress.written).toHaveLength(1_000)
  })

  it('gets a response that lists at most 100 elements', async () => {
    const { body } = await post('whole', `[${Array(500).fill('{"type":"t"}').join(',')}]`)
    expect(body.length).toBeLessThan(4_000)
    const { elements, eventKeys } = JSON.parse(body) as { elements: number; eventKeys: string[] }
    expect([elements, eventKeys.length]).toEqual([500, 100])
  })

  it('gets an empty 2xx response if its profile has one', async () => {
    const call = '{"interactionId":"i","eventType":"E","sequenceNumber":1}'
    expect(await post('calls', `{"events":[${call}]}`)).toMatchObject({ status: 200, body: '' })
    expect(texts()).toEqual([call])
  })

  it('is a repeat if its elements differ only in volatile fields', async () => {
    await post('volatile', '[{"id":"a","attempt":1},{"id":"b"}]')
    await post('volatile', '[ {"id": "a"}, {"attempt":2, "id":"b"} ]')
    const hashes = written().map(({ bodyHash }) => bodyHash.toString('hex'))
    expect(hashes.slice(0, 2)).toEqual(hashes.slice(2))
  })

  it.each(['full', 'deadline', 'broker', 'partitions', 'closed'] as const)(
    'is answered 503 when the brokers do not have all of it: %s',
    async (kind) => {
      ingress.failing = kind
      expect((await post('whole', '[{"id":"a","type":"t"},{"id":"b","type":"t"}]')).status).toBe(503)
      ingress.failing = undefined
      expect((await post('whole', '[{"id":"a","type":"t"},{"id":"b","type":"t"}]')).status).toBe(200)
    },
  )
})

describe('a malformed element', () => {
  const body =
    '[{"id":"a","type":"t"},null,7,"x",[{"id":"c"}],{"id":"d"},{"type":"t","type":"u"},{"id":"b","type":"t"}]'
  const expected = [
    undefined,
    'wrong_type',
    'wrong_type',
    'wrong_type',
    'wrong_type',
    'missing_field',
    'unsafe_json',
    undefined,
  ]

  it.each(['whole', 'lenient'])(
    'becomes a separate letter, and the others become events: %s',
    async (source) => {
      const answer = await post(source, body)
      expect([answer.status, JSON.parse(answer.body)]).toMatchObject([200, { elements: 8, malformed: 6 }])
      expect(reasons()).toEqual(expected)
      expect(texts()).toEqual(
        ['{"id":"a","type":"t"}', 'null', '7', '"x"', '[{"id":"c"}]', '{"id":"d"}'].concat(
          '{"type":"t","type":"u"}',
          '{"id":"b","type":"t"}',
        ),
      )
      expect(new Set(written().flatMap(({ intakeError }) => intakeError?.answered ?? []))).toEqual(
        new Set(['accepted']),
      )
    },
  )

  it('makes the response 400 with reject-400 if no element is an event', async () => {
    const { status, body: text } = await post('whole', '[null,{"id":"a"}]')
    expect(status).toBe(400)
    expect(text).toBe('{"error":"no element is an event; the first one: the body is not an object"}')
    expect(written().map(({ intakeError }) => intakeError?.answered)).toEqual(['rejected', 'rejected'])
    ingress.forget()
    expect((await post('lenient', '[null,{"id":"a"}]')).status).toBe(200)
    expect(written().map(({ intakeError }) => intakeError?.answered)).toEqual(['accepted', 'accepted'])
  })

  it('may be nested to any depth without harm to its neighbours', async () => {
    const bomb = `${'['.repeat(60_000)}${']'.repeat(60_000)}`
    expect((await post('whole', `[{"id":"a","type":"t"},${bomb}]`)).status).toBe(200)
    expect(reasons()).toEqual([undefined, 'unsafe_json'])
  })
})

it('a malformed body keeps the other inputs of its keys, and an element is marked as one', async () => {
  await post('nested', '{"kind":"k","data":{"items":[{"id":1,"id":2}]}}')
  await post('hooks', '{"a":NaN}', { 'x-github-event': 'push', 'x-github-delivery': 'd-1', 'x-other': 'no' })
  await post('single', 'NaN', { 'x-other': 'no' })
  expect(written().map(({ intakeError }) => [intakeError?.isElement, intakeError?.keyFacts])).toEqual([
    [true, { 'batch:kind': 'k' }],
    [undefined, { 'header:x-github-event': 'push', 'header:x-github-delivery': 'd-1' }],
    [undefined, undefined],
  ])
})

it('equal malformed bodies are two letters if they would have been two events, and a retry is a repeat', async () => {
  const batch = (kind: string) => `{"kind":"${kind}","data":{"items":[{"id":1,"id":2}]}}`
  for (const kind of ['a', 'b', 'a']) await post('nested', batch(kind))
  const hook = (delivery: string) =>
    post('hooks', 'NaN', {
      'x-github-event': 'push',
      'x-github-delivery': delivery,
      'x-other': `${Math.random()}`,
    })
  for (const delivery of ['d-1', 'd-2', 'd-1']) await hook(delivery)
  // Nothing but the body is in the keys of this one.
  for (const other of ['1', '2']) await post('single', 'NaN', { 'x-other': other })
  const keys = written().map(({ eventKey }) => eventKey.toString('hex'))
  const places = keys.map((key) => keys.indexOf(key))
  expect(places).toEqual([0, 1, 0, 3, 4, 3, 6, 6])
})

describe('a body that is not a batch', () => {
  it.each<[string, string, string]>([
    ['whole', '[{"id":"a","type":"t"},{"id":"b","type":"t"},]', 'invalid_json'],
    ['whole', '[{"id":"a","type":"t"},{broken}]', 'invalid_json'],
    ['whole', '[{"id":"a","type":"t"}', 'invalid_json'],
    ['whole', '[{"id":"a","type":"t"}}', 'invalid_json'],
    ['whole', '[{"id":"a","type":"t"}] []', 'invalid_json'],
    ['whole', '[,]', 'invalid_json'],
    ['whole', '', 'invalid_json'],
    ['whole', '7', 'wrong_type'],
    ['whole', 'null', 'wrong_type'],
    ['nested', '[{"id":"a"}]', 'wrong_type'],
    ['nested', '{"data":{"items":{"id":"a"}}}', 'wrong_type'],
    ['nested', '{"data":{"item":[]}}', 'missing_field'],
    ['nested', '{"data":{"items":[{"id":"a"}],"items":[{"id":"b"}]}}', 'unsafe_json'],
    ['nested', '{"data":{"items":[{"id":"a"}]},"__proto__":1}', 'unsafe_json'],
    ['nested', '{"data":{"items":[{"id":"a"}]},"n":1e999}', 'unsafe_json'],
  ])('is one letter: %s %s', async (source, body, reason) => {
    expect((await post(source, body)).status).toBe(400)
    expect(reasons()).toEqual([reason])
    expect(texts()).toEqual([body])
  })

  it('is one letter when it is not UTF-8', async () => {
    const body = Buffer.from('5b7b226964223a22c3227d2c7b226964223a2262227d5d', 'hex')
    expect((await post('whole', body)).status).toBe(400)
    expect(reasons()).toEqual(['invalid_encoding'])
    expect(written()[0]!.raw).toEqual(body)
  })

  it('is one event if it is a single object where an array is expected', async () => {
    const answer = await post('whole', '{"id":"a","type":"t"}')
    expect([answer.status, JSON.parse(answer.body)]).toMatchObject([200, { interactionId: 'a' }])
    expect(reasons()).toEqual([undefined])
  })

  it.each(['single', 'hooks'])('is a letter without the setting: %s', async (source) => {
    const headers = { 'x-github-delivery': 'd', 'x-github-event': 'push' }
    expect((await post(source, '[{"id":"a"}]', headers)).status).toBe(400)
    expect(written()).toMatchObject([
      { intakeError: { reason: 'wrong_type', detail: expect.stringContaining('set `split`') as string } },
    ])
  })
})

it('stores every element of any batch once, as an event or a letter, byte for byte', async () => {
  const element = fc.oneof(
    fc.json({ maxDepth: 3 }),
    fc.record({ id: fc.string(), type: fc.string({ minLength: 1 }) }).map((one) => JSON.stringify(one)),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(element, { maxLength: 8 }),
      fc.constantFrom('', ' ', '\r\n\t'),
      async (given, space) => {
        ingress.forget()
        const { status, body } = await post(
          'lenient',
          `${space}[${given.map((one) => space + one + space).join(',')}]`,
        )
        expect(status).toBe(200)
        expect(texts()).toEqual(given)
        const letters = reasons().filter((reason) => reason !== undefined).length
        expect(JSON.parse(body)).toMatchObject({ elements: given.length, malformed: letters })
      },
    ),
    { numRuns: 200 },
  )
})

describe('a batch of a source that guards signed content', () => {
  const send = (body: string, delivery: string) =>
    post('guarded', body, { 'x-signature': sign(GUARDED, SECRET, Buffer.from(body)), 'x-delivery': delivery })
  const contentKeys = () => written().map(({ contentKey }) => contentKey!.toString('hex'))

  it('has a content key for each element, which depends on the whole batch and on no unsigned header', async () => {
    await send('[{"id":"a"},{"id":"b"}]', '1')
    await send('[{"id":"a"},{"id":"b"}]', '2')
    await send('[{"id":"a"},{"id":"c"}]', '3')
    const [a, b, sameA, sameB, otherA] = contentKeys()
    expect([sameA, sameB]).toEqual([a, b])
    expect(new Set([a, b, otherA]).size).toBe(3)
  })

  it('is not copied for each element', async () => {
    const body = `[${Array.from({ length: 500 }, (_, id) => `{"id":"${id}","pad":"${'x'.repeat(200)}"}`).join()}]`
    let copied = 0
    const concat = Buffer.concat.bind(Buffer)
    const spy = vi.spyOn(Buffer, 'concat').mockImplementation((list, length) => {
      const whole = concat(list, length)
      copied += whole.length
      return whole
    })
    try {
      expect((await send(body, '1')).status).toBe(200)
    } finally {
      spy.mockRestore()
    }
    expect(ingress.written).toHaveLength(500)
    expect(copied).toBeLessThan(10 * body.length)
  })
})
