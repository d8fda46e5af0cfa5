import { expect, it } from 'vitest'
import { routedForm } from './routed-form.ts'

const FACTS = {
  interactionId: 'sim-1',
  timestamp: '2024-05-11T12:00:00.000Z',
  direction: 'inbound',
  queue: 'Sales',
  skill: 'Billing',
  message: 'hello',
}
const PHONE = { customerIdentifier: '+15550001001', customerType: 'phone' as const }
const EMAIL = { customerIdentifier: 'a@b.example', customerType: 'email' as const }
const nested = { interactionId: 'sim-1', timestamp: '2024-05-11T12:00:00.000Z' }

it.each([
  ['voice', PHONE, { queue: 'Sales', direction: 'inbound' }],
  ['chat', EMAIL, { skill: 'Billing', channel: 'chat' }],
  ['sms', PHONE, { message: 'hello', direction: 'inbound' }],
])('S2-05 nests the customer and the context of %s', (channel, customer, normalizedContext) => {
  const { customerIdentifier: identifier, customerType: type } = customer
  expect(routedForm({ ...FACTS, ...customer, channel }, {})).toEqual({
    ...nested,
    normalizedCustomer: { identifier, type },
    normalizedContext,
  })
})

it('S2-05 has null for missing facts', () => {
  const none = { direction: null, queue: null, skill: null, message: null }
  const empty = { ...none, customerIdentifier: null, customerType: null, channel: 'voice', timestamp: null }
  expect(routedForm({ interactionId: 'i', ...empty }, {})).toEqual({
    interactionId: 'i',
    timestamp: null,
    normalizedCustomer: { identifier: null, type: null },
    normalizedContext: { queue: null, direction: null },
  })
})

it.each(['fax', 'toString', '__proto__', null])(
  'S2-05 gives the payload of the unknown channel %s',
  (channel) => {
    const payload = { any: 1 }
    expect(routedForm({ ...FACTS, ...PHONE, channel }, payload)).toEqual({ ...nested, raw: payload })
  },
)
