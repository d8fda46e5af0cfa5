import { expect, it } from 'vitest'
import { PRESETS } from '../../presets/index.ts'
import { createContentReader } from './content-reader.ts'
import { RequestHeaders } from './request-headers.ts'
import { signedHeaders } from '../sign.ts'
import type { HmacSpec } from '../spec.ts'

const RAW = Buffer.from('{"a":1}')

it('reads the signed content: the timestamp with the body, whatever else the request has', () => {
  const spec = PRESETS.zendesk.verifier as HmacSpec
  const content = createContentReader(spec)
  const at = (now: number, id: string) =>
    content(
      RequestHeaders.of({ ...signedHeaders(spec, 's', RAW, { now }), 'x-zendesk-webhook-invocation-id': id }),
      RAW,
    )
  expect(at(1_700_000_000_000, '1')).toEqual(at(1_700_000_000_000, '2'))
  expect(at(1_700_000_000_000, '1')).not.toEqual(at(1_700_000_001_000, '1'))
  expect(at(1_700_000_000_000, '1').toString()).toBe('2023-11-14T22:13:20.000Z{"a":1}')
})

it('reads the timestamp of pairs, and the parameters of a form in any order and spelling', () => {
  const stripe = PRESETS.stripe.verifier as HmacSpec
  const headers = RequestHeaders.of({ 'stripe-signature': 't=1700000000, v1=00, v0=11' })
  // Whether the signature is good was judged before.
  expect(createContentReader(stripe)(headers, RAW).toString()).toBe('1700000000.{"a":1}')
  const twilio = createContentReader({
    ...(PRESETS.twilio.verifier as HmacSpec),
    allowSha1: true,
    publicUrl: 'https://a.example',
  })
  const form = RequestHeaders.of({ 'content-type': 'application/x-www-form-urlencoded' })
  const line = { method: 'POST', target: '/w?x=1' }
  const spellings = ['A=1&B=b+c', 'B=b%20c&A=1', '&A=1&&B=b+c&A=1']
  const contents = spellings.map((text) => twilio(form, Buffer.from(text), line).toString())
  expect(contents).toEqual(spellings.map(() => 'https://a.example/w?x=1A1Bb c'))
})
