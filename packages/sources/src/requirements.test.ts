import { createHmac } from 'node:crypto'
import { joinDedupKey } from '@weir/contracts'
import { describe, expect, it } from 'vitest'
import { acceptedResponse } from './responses.ts'
import { PRESETS, SOURCES } from './presets/index.ts'
import type { JsonObject, RequestFacts, SourceDefinition } from './source.ts'
import { RequestHeaders } from './verifier/content/request-headers.ts'
import { signedHeaders } from './verifier/sign.ts'
import { createVerifier } from './verifier/verifier.ts'

const FACTS: RequestFacts = { bodyHash: () => 'hash of the body', header: () => undefined }
const source = (name: string): SourceDefinition => SOURCES.find((one) => one.name === name)!
const keyOf = (name: string, body: JsonObject) => {
  const identified = source(name).identify(body, FACTS)
  return identified.kind === 'problem' ? identified.problem.detail : identified.identity
}
const accepted = (profile: 'cxone-router' | 'cxone-dataaction', isMalformed = false) =>
  acceptedResponse(profile, {
    identity: { interactionId: 'sim-1', dedupKey: 'k' },
    eventKey: 'e',
    isMalformed,
    payload: {},
    receivedAt: 1,
  })

describe('S2 Node router', () => {
  const routed = {
    webhookId: 'sim-webhook-001',
    eventType: 'interaction.created',
    timestamp: '2024-05-11T12:00:00.000Z',
    data: { id: 'sim-1', channelType: 'voice' },
  }

  it('S2-03 accepts POST /webhooks/cxone, and data.channelType makes it a routed event', () => {
    expect(source('cxone').paths).toContain('/webhooks/cxone')
    expect(keyOf('cxone', routed)).toMatchObject({ interactionId: 'sim-1' })
    expect(keyOf('cxone', { ...routed, data: { channelType: 'voice' } })).toMatch(/data\.id/)
  })

  it('S2-06 keys by interactionId, eventType and timestamp, so a later event of an interaction is no duplicate', () => {
    const dedupKey = joinDedupKey(['sim-1', routed.eventType, routed.timestamp])
    expect(keyOf('cxone', routed)).toMatchObject({ dedupKey, eventType: 'interaction.created' })
    const later = { ...routed, eventType: 'interaction.completed' }
    expect(keyOf('cxone', later)).not.toMatchObject({ dedupKey })
  })

  it('S2-06 responds with processed, and with queued_for_retry for a dead letter', () => {
    expect(JSON.parse(accepted('cxone-router'))).toEqual({ status: 'processed', interactionId: 'sim-1' })
    expect(JSON.parse(accepted('cxone-router', true))).toEqual({ status: 'queued_for_retry' })
  })
})

describe('S3 schema evolution', () => {
  const dataAction = source('cxone-dataaction')

  it('S3-01 accepts POST /webhook/cxone-dataaction signed with base64 HMAC-SHA256 of the raw body, or else responds with 401', () => {
    expect(dataAction.paths).toContain('/webhook/cxone-dataaction')
    expect(dataAction).toMatchObject({
      statusMissing: 401,
      answerMissing: 'Missing X-Nice-Webhook-Signature header',
      statusInvalid: 401,
      answerInvalid: 'Invalid webhook signature',
      answerField: 'detail',
    })
    const { verifier } = PRESETS['cxone-dataaction']
    if (verifier.kind !== 'hmac') throw new TypeError('it signs')
    const raw = Buffer.from('{"id":"evt-1"}')
    const headers = signedHeaders(verifier, 'secret', raw)
    expect(Object.keys(headers)).toEqual(['x-nice-webhook-signature'])
    expect(headers['x-nice-webhook-signature']).toMatch(/^[\w+/]{43}=$/)
    const result = (body: Buffer) =>
      createVerifier(verifier, ['secret'])(RequestHeaders.of(headers), body, Date.now()).kind
    expect([result(raw), result(Buffer.from('{"id":"evt-2"}'))]).toEqual(['valid', 'invalid'])
  })

  it('S3-02 requires id and type; anything else is a dead letter with 400', () => {
    expect(keyOf('cxone-dataaction', { id: 'evt-1', type: 'dataaction.completed' })).toMatchObject({
      interactionId: 'evt-1',
      eventType: 'dataaction.completed',
    })
    for (const body of [{ id: 'evt-1' }, { type: 't' }, { id: {}, type: 't' }]) {
      const identified = dataAction.identify(body, FACTS)
      expect(identified).toMatchObject({ problem: { answer: 'Missing required CXone fields: id, type' } })
    }
    expect(dataAction.onInvalid).toBe('reject-400')
  })

  it('S3-07 responds with processed, and the event gets the version of its shape later', () => {
    expect(JSON.parse(accepted('cxone-dataaction'))).toEqual({ status: 'processed' })
  })
})

/** What a verifier of a preset says of a body with a signature made here. */
const verdictOf = (name: 'cxone' | 'nice', signature: string | undefined, body: Buffer, secret: string) => {
  const { verifier } = PRESETS[name]
  if (verifier.kind !== 'hmac') throw new TypeError('it signs')
  const headers = signature === undefined ? {} : { [verifier.header]: signature }
  return createVerifier(verifier, [secret])(RequestHeaders.of(headers), body, Date.now()).kind
}
const hex = (secret: string | Buffer, body: Buffer): string =>
  createHmac('sha256', secret).update(body).digest('hex')

describe('S0 Azure Function', () => {
  const lean = {
    interactionId: 'i-1',
    eventType: 'CALL_CONNECTED',
    timestamp: '2024-05-11T12:00:00.000Z',
    agentId: 'agent-1001',
    skill: 'Sales',
    direction: 'inbound',
    sequenceNumber: 1,
  }

  it('S0-01 accepts the lean payload at its path, with the sequence number as a number or a text', () => {
    expect(source('cxone').paths).toContain('/api/CXoneEventReceiver')
    const identity = keyOf('cxone', lean)
    expect(identity).toEqual({
      interactionId: 'i-1',
      eventType: 'CALL_CONNECTED',
      sequence: 1n,
      dedupKey: joinDedupKey(['i-1', 'CALL_CONNECTED', '1']),
    })
    expect(keyOf('cxone', { ...lean, sequenceNumber: '1' })).toEqual(identity)
    expect(keyOf('cxone', { ...lean, sequenceNumber: 2 })).not.toMatchObject({
      dedupKey: (identity as { dedupKey: string }).dedupKey,
    })
  })

  it('S0-04 accepts lower-case hex HMAC-SHA256 of the raw body, keyed with the text of the secret', () => {
    const secret = 'a1b2c3d4'.repeat(8)
    const body = Buffer.from(JSON.stringify(lean))
    expect(verdictOf('cxone', hex(secret, body), body, secret)).toBe('valid')
    expect(verdictOf('cxone', hex(Buffer.from(secret, 'hex'), body), body, secret)).toBe('invalid')
    expect(verdictOf('cxone', hex(secret, Buffer.from(`${body.toString()} `)), body, secret)).toBe('invalid')
    expect(verdictOf('cxone', undefined, body, secret)).toBe('missing')
    expect(source('cxone')).toMatchObject({
      statusMissing: 400,
      statusInvalid: 401,
      answerMissing: '',
      answerInvalid: '',
    })
  })

  it('S0-06 covers the retries of the provider: after 1, 5, 15 and 30 minutes', () => {
    expect(source('cxone').retrySpanSecs).toBe((1 + 5 + 15 + 30) * 60)
    expect(source('cxone').onInvalid).toBe('accept-dlq')
  })

  it('S0-07 keys by interaction, type and sequence number, as its unique key did', () => {
    for (const other of [{ interactionId: 'i-2' }, { eventType: 'CALL_WRAP_UP' }, { sequenceNumber: 2 }]) {
      const { dedupKey } = keyOf('cxone', lean) as { dedupKey: string }
      expect(keyOf('cxone', { ...lean, ...other })).not.toMatchObject({ dedupKey })
    }
    expect(keyOf('cxone', { ...lean, agentId: 'agent-2' })).toEqual(keyOf('cxone', lean))
  })
})

describe('S1 Cognigy idempotency', () => {
  const message = {
    conversationId: 'conv-8f3a9b2c',
    sessionId: 'sess-7g8h',
    intent: 'book_appointment',
    timestamp: 1_715_428_800_000,
    userId: 'usr-9x8y',
  }
  const refusalOf = (body: JsonObject) => {
    const identified = source('cognigy').identify(body, FACTS)
    return identified.kind === 'problem' ? identified.problem.answer : undefined
  }

  it('S1-02 requires four texts and a number, and names the exact problem', () => {
    expect(refusalOf(message)).toBeUndefined()
    for (const field of ['conversationId', 'sessionId', 'intent', 'userId'] as const) {
      const { [field]: _, ...without } = message
      expect(refusalOf(without)).toBe(`Missing required field: ${field}`)
      expect(refusalOf({ ...message, [field]: 1 })).toBe(
        `Type mismatch for ${field}. Expected string, got number`,
      )
    }
    const { timestamp: _, ...without } = message
    expect(refusalOf(without)).toBe('Missing required field: timestamp')
    expect(refusalOf({ ...message, timestamp: '1' })).toBe(
      'Type mismatch for timestamp. Expected number, got string',
    )
    // Its own check took 0 for a field that is missing.
    expect(refusalOf({ ...message, timestamp: 0 })).toBeUndefined()
  })

  it('S1-03 keys by sha256 over conversation, timestamp and session', () => {
    const { dedupKey } = keyOf('cognigy', message) as { dedupKey: string }
    expect(dedupKey).toMatch(/^[\da-f]{64}$/)
    expect(keyOf('cognigy', { ...message, intent: 'another' })).toMatchObject({ dedupKey })
    for (const other of [{ conversationId: 'c' }, { timestamp: 1 }, { sessionId: 's' }]) {
      expect(keyOf('cognigy', { ...message, ...other })).not.toMatchObject({ dedupKey })
    }
  })
})

describe('S4 Bloom dedup', () => {
  const updated = { interactionId: 'int-1', dataActionId: 'da-1', updatedTimestamp: '2024-05-11T12:00:00Z' }

  it('S4-01 accepts hex HMAC-SHA256 at its path, and responds with 403 without and 401 with a wrong signature', () => {
    const body = Buffer.from(JSON.stringify(updated))
    expect(source('nice').paths).toContain('/cxone/webhook/data-action')
    expect(verdictOf('nice', hex('secret', body), body, 'secret')).toBe('valid')
    expect(verdictOf('nice', hex('another', body), body, 'secret')).toBe('invalid')
    expect(source('nice')).toMatchObject({
      statusMissing: 403,
      answerMissing: 'Missing webhook signature header',
      statusInvalid: 401,
      answerInvalid: 'Invalid webhook signature',
      onInvalid: 'reject-400',
    })
  })

  it('S4-01 requires three texts and accepts an object as payload', () => {
    expect(keyOf('nice', updated)).toMatchObject({ interactionId: 'int-1', eventType: 'data.action.updated' })
    expect(keyOf('nice', { ...updated, payload: { k: 'v' } })).toEqual(keyOf('nice', updated))
    for (const wrong of [
      { interactionId: 1 },
      { dataActionId: null },
      { updatedTimestamp: {} },
      { payload: [] },
    ]) {
      const identified = source('nice').identify({ ...updated, ...wrong }, FACTS)
      expect(identified).toMatchObject({
        problem: { answer: expect.stringContaining('Payload validation failed') as string },
      })
    }
  })

  it('S4-04 keys by interaction, Data Action and time, so a real update is no duplicate', () => {
    const { dedupKey } = keyOf('nice', updated) as { dedupKey: string }
    expect(keyOf('nice', { ...updated, updatedTimestamp: '2024-05-11T12:01:00Z' })).not.toMatchObject({
      dedupKey,
    })
    expect(keyOf('nice', { ...updated, dataActionId: 'da-2' })).not.toMatchObject({ dedupKey })
  })
})
