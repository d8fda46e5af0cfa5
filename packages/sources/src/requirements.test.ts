import { joinDedupKey } from '@weir/contracts'
import { describe, expect, it } from 'vitest'
import { acceptedBody } from './answers.ts'
import { PRESETS, SOURCES } from './presets/index.ts'
import type { JsonObject, RequestFacts, SourceDefinition } from './source.ts'
import { RequestHeaders } from './verifier/request-headers.ts'
import { signedHeaders } from './verifier/sign.ts'
import { createVerifier } from './verifier/verifier.ts'

const FACTS: RequestFacts = { bodyHash: () => 'hash of the body', header: () => undefined }
const source = (name: string): SourceDefinition => SOURCES.find((one) => one.name === name)!
const keyOf = (name: string, body: JsonObject) => {
  const identified = source(name).identify(body, FACTS)
  return identified.kind === 'problem' ? identified.problem.detail : identified.identity
}
const accepted = (profile: 'cxone-router' | 'cxone-dataaction', isMalformed = false) =>
  acceptedBody(profile, {
    ...{ identity: { interactionId: 'sim-1', dedupKey: 'k' }, eventKey: 'e', isMalformed },
    ...{ payload: {}, receivedAt: 1 },
  })

describe('S2 Node router', () => {
  const routed = {
    ...{ webhookId: 'sim-webhook-001', eventType: 'interaction.created' },
    ...{ timestamp: '2024-05-11T12:00:00.000Z', data: { id: 'sim-1', channelType: 'voice' } },
  }

  it('S2-03 takes POST /webhooks/cxone, and data.channelType makes a routed event of it', () => {
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

  it('S2-06 answers processed, and queued_for_retry for what became a dead letter', () => {
    expect(JSON.parse(accepted('cxone-router'))).toEqual({ status: 'processed', interactionId: 'sim-1' })
    expect(JSON.parse(accepted('cxone-router', true))).toEqual({ status: 'queued_for_retry' })
  })
})

describe('S3 schema evolution', () => {
  const dataAction = source('cxone-dataaction')

  it('S3-01 takes POST /webhook/cxone-dataaction signed with base64 HMAC-SHA256 of the raw body, else 401', () => {
    expect(dataAction.paths).toContain('/webhook/cxone-dataaction')
    expect(dataAction).toMatchObject({
      ...{ statusMissing: 401, answerMissing: 'Missing X-Nice-Webhook-Signature header' },
      ...{ statusInvalid: 401, answerInvalid: 'Invalid webhook signature', answerField: 'detail' },
    })
    const { verifier } = PRESETS['cxone-dataaction']
    if (verifier.kind !== 'hmac') throw new TypeError('it signs')
    const raw = Buffer.from('{"id":"evt-1"}')
    const headers = signedHeaders(verifier, 'secret', raw)
    expect(Object.keys(headers)).toEqual(['x-nice-webhook-signature'])
    expect(headers['x-nice-webhook-signature']).toMatch(/^[\w+/]{43}=$/)
    const verdict = (body: Buffer) =>
      createVerifier(verifier, ['secret'])(RequestHeaders.of(headers), body, Date.now()).kind
    expect([verdict(raw), verdict(Buffer.from('{"id":"evt-2"}'))]).toEqual(['valid', 'invalid'])
  })

  it('S3-02 requires id and type; anything else is a dead letter with 400', () => {
    expect(keyOf('cxone-dataaction', { id: 'evt-1', type: 'dataaction.completed' })).toMatchObject({
      ...{ interactionId: 'evt-1', eventType: 'dataaction.completed' },
    })
    for (const body of [{ id: 'evt-1' }, { type: 't' }, { id: {}, type: 't' }]) {
      const identified = dataAction.identify(body, FACTS)
      expect(identified).toMatchObject({
        problem: { answer: 'Missing required CXone fields: id, type' },
      })
    }
    expect(dataAction.onInvalid).toBe('reject-400')
  })

  it('S3-07 answers processed; the version of the shape is given later, on the event', () => {
    expect(JSON.parse(accepted('cxone-dataaction'))).toEqual({ status: 'processed' })
  })
})
