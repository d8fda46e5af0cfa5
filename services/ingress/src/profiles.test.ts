import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PRESETS, signedHeaders, type HmacSpec, type PresetName } from '@weir/sources'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { TestIngress } from './testing/test-ingress.ts'

/** What the systems that Weir takes the place of answer and ask, as far as ingress can know it. */
const SECRET = 'a secret of the tests'
const dir = mkdtempSync(join(tmpdir(), 'weir-profiles-'))
const file = join(dir, 'sources.yaml')
writeFileSync(
  file,
  `version: 1
sources:
  router: { preset: cxone, unsigned: true, responseProfile: cxone-router, onInvalid: reject-400 }
  function: { preset: cxone, responseProfile: cxone, requireSequence: true, concurrency: 2, onInvalid: reject-400 }
  state: { preset: nice, responseProfile: nice }
  first: { preset: nice, responseProfile: { accepted: nice-accepted } }
  bot: { preset: cognigy, cidrs: [127.0.0.1], responseProfile: cognigy }
`,
)
const ingress = new TestIngress({
  SOURCES_FILE: file,
  SOURCE_FUNCTION_SECRETS: SECRET,
  SOURCE_STATE_SECRETS: SECRET,
  SOURCE_FIRST_SECRETS: SECRET,
  SOURCE_FUNCTION_QUERY_TOKEN: 'the-key-of-a-function,an-older+key/of=it',
})
beforeAll(() => ingress.listen())
afterAll(async () => {
  await ingress.close()
  rmSync(dir, { recursive: true })
})
beforeEach(() => ingress.forget())

const JSON_TYPE = { 'content-type': 'application/json' }
const post = async (source: string, preset: PresetName, body: string, path = `/webhooks/${source}`) => {
  const { verifier } = PRESETS[preset]
  const signed = verifier.kind === 'hmac' ? signedHeaders(verifier, SECRET, Buffer.from(body)) : {}
  return ingress.call({ path, body, headers: { ...JSON_TYPE, ...signed } })
}
const answerTo = async (source: string, preset: PresetName, body: string) => {
  const { status, body: text } = await post(source, preset, body)
  return [status, text]
}

describe('S4', () => {
  const event = (payload: string) =>
    `{"interactionId":"i-1","dataActionId":"d","updatedTimestamp":"t"${payload}}`

  it('responds with the state in the event, digit for digit', async () => {
    const answer = (payload: string) =>
      `{"status":"processed","interactionId":"i-1","state":{"dataActionId":"d","updatedTimestamp":"t","payload":${payload}}}`
    for (const [sent, state] of [
      ['', '{}'],
      [',"payload":{}', '{}'],
      [
        ',"payload":{"k":"v","n":1524831183200260097,"d":10.00}',
        '{"k":"v","n":1524831183200260097,"d":10.00}',
      ],
    ] as const) {
      expect(await answerTo('state', 'nice', event(sent))).toEqual([200, answer(state)])
    }
  })

  it('responds like the first step of the original system if that is configured', async () => {
    expect(await answerTo('first', 'nice', event(''))).toEqual([
      200,
      '{"status":"accepted","interactionId":"i-1"}',
    ])
  })

  it('names the invalid field', async () => {
    expect(await answerTo('state', 'nice', '{"interactionId":"i-1"}')).toEqual([
      400,
      '{"detail":"Payload validation failed: dataActionId is missing"}',
    ])
  })
})

it.each(['{}', '{"data":{"id":"x"}}', '[]', 'null', '{"data":null}', '{"data":[]}', 'no JSON'])(
  'S2 says that the structure of %s is invalid',
  async (body) => {
    expect(await answerTo('router', 'cxone', body)).toEqual([400, '{"error":"Invalid payload structure"}'])
  },
)

describe('S1', () => {
  const GOOD = { conversationId: 'c', sessionId: 's', intent: 'i', timestamp: 1, userId: 'u' }

  it.each<[unknown, string]>([
    [{}, 'Missing required field: conversationId'],
    [null, 'Missing required field: conversationId'],
    [[], 'Missing required field: conversationId'],
    [[GOOD], 'Missing required field: conversationId'],
    [7, 'Missing required field: conversationId'],
    [{ ...GOOD, intent: null }, 'Missing required field: intent'],
    [{ ...GOOD, timestamp: null, userId: undefined }, 'Missing required field: timestamp'],
    [{ ...GOOD, intent: 5, timestamp: '1' }, 'Type mismatch for intent. Expected string, got number'],
    [{ ...GOOD, timestamp: '1', userId: 5 }, 'Type mismatch for timestamp. Expected number, got string'],
    [{ ...GOOD, sessionId: [] }, 'Type mismatch for sessionId. Expected string, got object'],
    [{ ...GOOD, sessionId: {} }, 'Type mismatch for sessionId. Expected string, got object'],
    [{ ...GOOD, sessionId: true }, 'Type mismatch for sessionId. Expected string, got boolean'],
    [{ ...GOOD, sessionId: 1, userId: null }, 'Type mismatch for sessionId. Expected string, got number'],
  ])('responds to %j with its own text', async (body, error) => {
    expect(await answerTo('bot', 'cognigy', JSON.stringify(body))).toEqual([400, JSON.stringify({ error })])
  })

  it('accepts bodies that the original program refused by mistake', async () => {
    expect((await post('bot', 'cognigy', JSON.stringify({ ...GOOD, timestamp: 0, intent: '' }))).status).toBe(
      200,
    )
  })

  const BODY = JSON.stringify(GOOD)
  const HEAD = `POST /webhooks/bot HTTP/1.1\r\nhost: weir\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${BODY.length}\r\n\r\n`

  /** The status of the answer, and after how long it came. */
  const timed = async (...steps: readonly (string | number)[]) => {
    const socket = connect(ingress.port, '127.0.0.1')
    let text = ''
    const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()))
    const startedAt = performance.now()
    let answeredMs = Infinity
    socket
      .on('error', () => undefined)
      .on('data', (chunk) => {
        text += chunk.toString()
        answeredMs = Math.min(answeredMs, performance.now() - startedAt)
      })
    for (const step of steps) {
      if (typeof step === 'number') await sleep(step)
      else socket.write(step)
    }
    await closed
    return { status: Number(/^HTTP\/1.1 (\d+)/.exec(text)?.[1]), ms: answeredMs }
  }

  it('S1-06 gets its response within 5 s, even if the body or the brokers stall', async () => {
    const held = Promise.withResolvers<undefined>()
    ingress.held = held.promise.then(() => undefined)
    const [frozen, both, slow] = await Promise.all([
      timed(HEAD, BODY),
      timed(HEAD, BODY.slice(0, 5), 3_000, BODY.slice(5)),
      timed(HEAD, BODY.slice(0, 5)),
    ])
    held.resolve(undefined)
    expect([frozen.status, both.status, slow.status]).toEqual([503, 503, 408])
    for (const { ms } of [frozen, both, slow]) expect(ms).toBeLessThan(5_000)
  }, 20_000)
})

describe('S0', () => {
  const event = (sequence: string) =>
    `{"interactionId":"i-1","eventType":"CALL_CONNECTED","timestamp":"2024-05-11T12:00:00Z"${sequence}}`
  const GOOD = event(',"sequenceNumber":1')
  const call = (query: string, body = GOOD) => post('function', 'cxone', body, `/webhooks/function${query}`)
  const KEY = '?code=the-key-of-a-function'

  it.each([
    ['', 401],
    ['?code=', 401],
    ['?code=another', 401],
    ['?code=the-key-of-a-function&code=the-key-of-a-function', 401],
    ['?code=another&code=the-key-of-a-function', 401],
    ['?Code=the-key-of-a-function', 401],
    [KEY, 200],
    [`${KEY}&x=1`, 200],
    [`?code=${encodeURIComponent('an-older+key/of=it')}`, 200],
  ])('S0-10 requires a function key in the query: %s', async (query, status) => {
    const answer = await call(query)
    expect([answer.status, answer.body]).toEqual([status, ''])
    expect(ingress.written).toHaveLength(status === 200 ? 1 : 0)
  })

  it('S0-10 accepts the key as a single header, and still requires a valid signature', async () => {
    const signed = signedHeaders(PRESETS.cxone.verifier as HmacSpec, SECRET, Buffer.from(GOOD))
    const key = { 'x-functions-key': 'the-key-of-a-function' }
    const status = async (path: string, headers: Readonly<Record<string, string>>) =>
      (await ingress.call({ path, body: GOOD, headers: { ...JSON_TYPE, ...headers } })).status
    expect(await status('/webhooks/function', { ...signed, ...key })).toBe(200)
    expect(await status(`/webhooks/function${KEY}`, { ...signed, ...key })).toBe(401)
    expect(await status('/webhooks/function', key)).toBe(400)
    expect(ingress.written.length).toBeGreaterThan(0)
    for (const { value, headers } of ingress.written) {
      for (const bytes of [value!, ...Object.values(headers)])
        expect(bytes.toString()).not.toContain('the-key-of')
    }
    expect(await ingress.metricsText()).toMatch(/result="wrong_query_token"/)
  })

  it.each([
    [',"sequenceNumber":null', 'missing_field', 'is null'],
    ['', 'missing_field', 'is missing'],
    [',"sequenceNumber":"x"', 'wrong_type', 'is not a whole number from 0 to 9223372036854775807'],
    [',"sequenceNumber":-1', 'wrong_type', 'is not a whole number from 0 to 9223372036854775807'],
    [',"sequenceNumber":1.5', 'wrong_type', 'is not a whole number from 0 to 9223372036854775807'],
  ])('S0-01 requires a sequence number if that is configured: %s', async (sequence, reason, fault) => {
    expect((await call(KEY, event(sequence))).status).toBe(400)
    expect(ingress.last.intakeError).toMatchObject({ reason, detail: `sequenceNumber ${fault}` })
  })

  it('S0-10 limits the requests in progress, and refused requests do not count', async () => {
    const held = Promise.withResolvers<undefined>()
    ingress.held = held.promise.then(() => undefined)
    let answered = 0
    const one = async (n: number) => {
      const answer = await call(KEY, event(`,"sequenceNumber":${n}`))
      answered += 1
      return answer
    }
    const many = Promise.all(Array.from({ length: 5 }, (_, n) => one(n)))
    await vi.waitFor(() => expect(answered).toBe(3))
    expect((await call('?code=another')).status).toBe(401)
    held.resolve(undefined)
    const answers = await many
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 429, 429, 429])
    expect(answers.find(({ status }) => status === 429)?.headers['retry-after']).toBe('1')
    expect((await call(KEY)).status).toBe(200)
    ingress.failing = 'broker'
    for (let n = 0; n < 3; n++) expect((await call(KEY)).status).toBe(503)
    ingress.failing = undefined
    expect((await call(KEY)).status).toBe(200)
  })
})
