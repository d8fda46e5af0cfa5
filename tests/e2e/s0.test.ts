import { createHmac } from 'node:crypto'
import { expect, it } from 'vitest'
import { Switched } from './switching.ts'

/** 256 bits in hexadecimal. The text itself is the key, not the bytes that it encodes. */
const SECRET = 'a1b2c3d4'.repeat(8)
const PATH = '/api/CXoneEventReceiver'
const signed = (body: string) => ({
  'X-CXone-Signature': createHmac('sha256', SECRET).update(body).digest('hex'),
})
const event = (sequenceNumber: number | string, eventType = 'CALL_CONNECTED') =>
  JSON.stringify({
    interactionId: '0b9f6f2e-5d0e-4c0e-9a56-2f1f3a9f7c11',
    eventType,
    timestamp: '2024-05-11T12:00:00.000Z',
    agentId: 'agent-1001',
    skill: 'Sales',
    direction: 'inbound',
    sequenceNumber,
  })

it('S0-11 switches over with its own secret and path: one row of each event, 400 and 401 as before', async () => {
  const s0 = await Switched.over('s0', { CXONE_WEBHOOK_SECRET: SECRET })
  const send = (body: string, headers: Record<string, string> = signed(body)) =>
    s0.deliver(PATH, body, headers)
  expect((await send(event(1))).status).toBe(200)
  // The provider sends it again, and renders the number as a text.
  expect((await send(event(1))).status).toBe(200)
  expect((await send(event('2', 'CALL_DISCONNECTED'))).status).toBe(200)
  expect(await send(event(3), {})).toEqual({ status: 400, text: '' })
  expect(await send(event(3), signed(event(4)))).toEqual({ status: 401, text: '' })
  await s0.settled(2, 0)
  expect(
    await s0.query(
      'SELECT source, event_type, sequence, agent_id, skill, direction FROM events ORDER BY sequence',
    ),
  ).toEqual([
    { source: 'cxone', event_type: 'CALL_CONNECTED', sequence: '1', ...LEAN },
    { source: 'cxone', event_type: 'CALL_DISCONNECTED', sequence: '2', ...LEAN },
  ])
  expect(await s0.query('SELECT sequence FROM interactions')).toEqual([{ sequence: '2' }])
})

const LEAN = { agent_id: 'agent-1001', skill: 'Sales', direction: 'inbound' }
