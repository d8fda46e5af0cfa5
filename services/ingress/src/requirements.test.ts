import { createHmac } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadConfig } from './config.ts'
import { TestIngress } from './testing/test-ingress.ts'

const dir = mkdtempSync(join(tmpdir(), 'weir-requirements-'))
const file = join(dir, 'sources.yaml')
writeFileSync(
  file,
  `version: 1
sources:
  router: { preset: cxone, unsigned: true, responseProfile: cxone-router, paths: [/webhooks/router] }
  bot: { preset: cognigy, cidrs: [127.0.0.1/32], responseProfile: cognigy, onInvalid: reject-400 }
  plain: { preset: cognigy, cidrs: [127.0.0.1/32] }
`,
)
const SECRET = 'a secret of the requirements'
const ingress = new TestIngress({ SOURCES_FILE: file, CXONE_WEBHOOK_SECRET: SECRET })
const headers = { 'content-type': 'application/json' }
beforeAll(() => ingress.listen())
afterAll(async () => {
  await ingress.close()
  rmSync(dir, { recursive: true })
})

describe('S2 Node router', () => {
  const body = JSON.stringify({
    webhookId: 'w',
    eventType: 'interaction.created',
    timestamp: '2024-05-11T12:00:00.000Z',
    data: { id: 'sim-1', channelType: 'voice' },
  })

  it('S2-03 listens on port 3000', () => {
    expect(loadConfig({ WEIR_PROFILE: 'dev', KAFKA_BROKERS: 'none:1', SOURCES_FILE: file }).port).toBe(3000)
  })

  it('S2-06 responds to a duplicate like the first delivery, with the same key, because dedup finds it after the response', async () => {
    const deliver = async () => {
      const { status, body: text } = await ingress.call({ path: '/webhooks/router', headers, body })
      return { status, answer: JSON.parse(text) as unknown, eventKey: ingress.last.eventKey.toString('hex') }
    }
    const first = await deliver()
    expect(first).toMatchObject({ status: 200, answer: { status: 'processed', interactionId: 'sim-1' } })
    expect(await deliver()).toEqual(first)
  })
})

describe('S1 Cognigy idempotency', () => {
  const message = { conversationId: 'c', sessionId: 's', intent: 'i', timestamp: 1, userId: 'u' }
  const deliver = async (path: string, body: object) => {
    const answer = await ingress.call({ path, headers, body: JSON.stringify(body) })
    return { ...answer, kept: ingress.last.answer }
  }

  it('S1-04 keeps its response with the record', async () => {
    const taken = await deliver('/webhooks/bot', message)
    expect([taken.status, JSON.parse(taken.body)]).toMatchObject([200, { success: true }])
    expect(taken.kept).toBe(taken.body)
    const refused = await deliver('/webhooks/bot', { ...message, intent: undefined })
    expect([refused.status, refused.kept]).toEqual([400, '{"error":"Missing required field: intent"}'])
  })

  it("S1-04 does not keep Weir's own response, which follows from the record", async () => {
    expect(await deliver('/webhooks/plain', message)).toMatchObject({ status: 200, kept: undefined })
  })
})

describe('S0 Azure Function', () => {
  const path = '/api/CXoneEventReceiver'
  const body = '{"interactionId":"i-1","eventType":"CALL_CONNECTED","sequenceNumber":1}'
  const signed = (raw: string) => ({
    ...headers,
    'x-cxone-signature': createHmac('sha256', SECRET).update(raw).digest('hex'),
  })

  it('S0-04 responds with 400 without a signature, 401 with a wrong one, 200 once it is stored, 503 while it cannot be', async () => {
    expect((await ingress.call({ path, headers, body })).status).toBe(400)
    expect((await ingress.call({ path, headers: signed('another'), body })).status).toBe(401)
    expect((await ingress.call({ path, headers: signed(body), body })).status).toBe(200)
    ingress.failing = 'broker'
    try {
      const { status } = await ingress.call({ path, headers: signed(body), body })
      expect(status).toBe(503)
    } finally {
      ingress.failing = undefined
    }
  })

  it('S0-05 does not parse a body before its signature is verified, and keeps nothing of it', async () => {
    const count = ingress.written.length
    for (const broken of ['{"cut', '[1', '\0']) {
      expect((await ingress.call({ path, headers: signed('another'), body: broken })).status).toBe(401)
    }
    expect(ingress.written).toHaveLength(count)
  })

  it('S0-09 counts signatures by their results', async () => {
    await ingress.call({ path, headers: signed(body), body })
    await ingress.call({ path, headers: signed('another'), body })
    await ingress.call({ path, headers, body })
    const { body: text } = await ingress.call({ method: 'GET', path: '/metrics' })
    for (const result of ['valid', 'no_match', 'missing']) {
      expect(text).toMatch(
        new RegExp(`weir_ingress_signatures_total\\{source="cxone",result="${result}"[^}]*\\} [1-9]`),
      )
    }
  })
})

describe('S4 Bloom dedup', () => {
  const body = '{"interactionId":"i","dataActionId":"d","updatedTimestamp":"2024-05-11T12:00:00Z"}'
  const signatureOf = (raw: string) => createHmac('sha256', SECRET).update(raw).digest('hex')
  const deliver = async (raw: string, signature: string | undefined = signatureOf(raw)) => {
    const signed = signature === '' ? headers : { ...headers, 'x-nice-signature': signature }
    const answer = await ingress.call({ path: '/cxone/webhook/data-action', headers: signed, body: raw })
    return [answer.status, JSON.parse(answer.body)] as const
  }

  it('S4-03 starts with CXONE_WEBHOOK_SECRET alone', async () => {
    expect(await deliver(body)).toMatchObject([200, { interactionId: 'i' }])
  })

  it('S4-01 responds with 403 without a signature, 401 with a wrong one, and 400 to a malformed signed body', async () => {
    const count = ingress.written.length
    expect(await deliver(body, '')).toEqual([403, { detail: 'Missing webhook signature header' }])
    for (const wrong of [signatureOf('another'), signatureOf(body).slice(1), 'no hex']) {
      expect(await deliver(body, wrong)).toEqual([401, { detail: 'Invalid webhook signature' }])
    }
    expect(ingress.written).toHaveLength(count)
    const missing = { detail: 'Payload validation failed: interactionId is missing' }
    expect(await deliver('{}')).toEqual([400, missing])
    expect(await deliver('{"cut')).toEqual([400, { detail: 'Malformed JSON payload' }])
    for (const malformed of ['null', '[]', '{"interactionId":1}']) {
      expect((await deliver(malformed))[0]).toBe(400)
    }
    expect(ingress.written).toHaveLength(count + 5)
  })
})

describe('S1 Cognigy idempotency', () => {
  it('S1-01 accepts only POST, and only from its addresses', async () => {
    const refused = await ingress.call({ method: 'GET', path: '/webhooks/bot' })
    expect([refused.status, refused.headers.allow]).toEqual([405, 'POST'])
    const body = '{"conversationId":"c","sessionId":"s","intent":"i","timestamp":1,"userId":"u"}'
    const from = (address: string) => ingress.call({ path: '/webhooks/bot', headers, body, from: address })
    expect((await from('127.0.0.1')).status).toBe(200)
    expect((await from('127.0.0.2')).status).toBe(403)
  })
})
