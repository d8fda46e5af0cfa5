import { expect, it } from 'vitest'
import { SOURCES, type JsonValue, type SourceName } from './index.ts'

const identify = (name: SourceName, payload: JsonValue) =>
  SOURCES.find((source) => source.name === name)!.identify(payload, 'hash')

const lean = {
  ...{ interactionId: 'i-1', eventType: 'CALL_CONNECTED', timestamp: '2024-05-11T12:00:00.000Z' },
  ...{ agentId: 'a', skill: 'Sales', direction: 'inbound', sequenceNumber: 1 },
}

it('takes a number in quotes for the same sequence number', () => {
  const [number, text] = [lean, { ...lean, sequenceNumber: '1' }].map((event) => identify('cxone', event))
  expect(number).toEqual(text)
  expect(number).toMatchObject({ identity: { dedupKey: 'i-1:CALL_CONNECTED:1', sequence: 1 } })
})

it('falls back to the time, then to the body, and says what was missing', () => {
  const { sequenceNumber: _, ...untimed } = lean
  expect(identify('cxone', untimed)).toMatchObject({ identity: { dedupKeyFallback: 'sequenceNumber' } })
  expect(identify('cxone', { interactionId: 'i-1', eventType: 'x' })).toMatchObject({
    identity: { dedupKey: 'i-1:x:hash', dedupKeyFallback: 'timestamp' },
  })
})

it('reads the type and time of a routed event from the top and its id from data', () => {
  const routed = {
    ...{ webhookId: 'w', eventType: 'interaction.created', timestamp: 'T1' },
    data: { id: 'sim-1', channelType: 'voice' },
  }
  expect(identify('cxone', routed)).toMatchObject({
    identity: { interactionId: 'sim-1', dedupKey: 'sim-1:interaction.created:T1' },
  })
})

it.each([
  ['sessionId', undefined, 'Missing required field: sessionId'],
  ['timestamp', '1715428800000', 'Type mismatch for timestamp. Expected number, got string'],
])('answers Cognigy as it expects when %s is %s', (field, value, answer) => {
  const whole = { conversationId: 'c', sessionId: 's', intent: 'i', timestamp: 1, userId: 'u' }
  const kept = Object.entries(whole).filter(([name]) => name !== field)
  const event = Object.fromEntries<JsonValue>([
    ...kept,
    ...(value === undefined ? [] : [[field, value] as const]),
  ])
  expect(identify('cognigy', event)).toMatchObject({ problem: { answer } })
})

it('keeps a zero and an empty text of Cognigy', () => {
  const event = { conversationId: 'c', sessionId: '', intent: '', timestamp: 0, userId: '' }
  expect(identify('cognigy', event).kind).toBe('identified')
})

it('gives parts that contain the separator keys of their own', () => {
  const key = (interactionId: string, dataActionId: string) => {
    const result = identify('nice', { interactionId, dataActionId, updatedTimestamp: 't' })
    return result.kind === 'identified' ? result.identity.dedupKey : ''
  }
  expect(key('a:b', 'c')).not.toBe(key('a', 'b:c'))
})

it('keeps the keys of different Cognigy events apart, and takes no id that a store would change', () => {
  const key = (conversationId: string, sessionId: string) => {
    const event = { conversationId, sessionId, intent: 'i', timestamp: 1, userId: 'u' }
    const result = identify('cognigy', event)
    return result.kind === 'identified' ? result.identity.dedupKey : result.problem.reason
  }
  expect(key('a', '1:b')).not.toBe(key('a:1', 'b'))
  expect(key('\ud800', 's')).toBe('wrong_type')
  expect(key('a\0b', 's')).toBe('wrong_type')
})
