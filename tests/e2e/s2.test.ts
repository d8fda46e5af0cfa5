import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { Switched } from './switching.ts'

/** S2 checks no signature: that takes a word of its own. */
const SOURCES = `version: 1
sources:
  cxone: { preset: cxone, unsigned: true, responseProfile: cxone-router }
`
const event = (channelType: string, data: object, eventType = 'interaction.created') =>
  JSON.stringify({
    webhookId: 'sim-webhook-001',
    eventType,
    timestamp: '2024-05-11T12:00:00.000Z',
    data: { id: `sim-${channelType}`, channelType, direction: 'inbound', ...data },
  })

it('S2-10 switches over unsigned on its path: each event of an interaction is a row, a body of no shape a letter', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-s2-'))
  const file = join(folder, 'sources.yaml')
  writeFileSync(file, SOURCES)
  onTestFinished(() => {
    rmSync(folder, { recursive: true })
  })
  const s2 = await Switched.over('s2', { SOURCES_FILE: file })
  const send = async (body: string) => {
    const { status, text } = await s2.deliver('/webhooks/cxone', body)
    return [status, JSON.parse(text)] as const
  }
  const voice = event('voice', { customer: { phoneNumber: '+15550001001' }, queue: { name: 'Sales' } })
  const processed = (interactionId: string) => [200, { status: 'processed', interactionId }]
  expect(await send(voice)).toEqual(processed('sim-voice'))
  expect(await send(voice)).toEqual(processed('sim-voice'))
  expect(await send(event('voice', {}, 'interaction.completed'))).toEqual(processed('sim-voice'))
  const chat = event('chat', { customer: { email: 'a@b.example' }, skill: { name: 'Billing' } })
  expect(await send(chat)).toEqual(processed('sim-chat'))
  const sms = event('sms', { customer: { phoneNumber: '+15550001002' }, message: { body: 'hello' } })
  expect(await send(sms)).toEqual(processed('sim-sms'))
  expect(await send('{"cut')).toEqual([200, { status: 'queued_for_retry' }])
  await s2.settled(4, 1)
  expect(
    await s2.query(
      `SELECT channel, customer_identifier AS id, customer_type AS type, coalesce(queue, skill, message) AS part
       FROM events WHERE event_type = 'interaction.created' ORDER BY channel`,
    ),
  ).toEqual([
    { channel: 'chat', id: 'a@b.example', type: 'email', part: 'Billing' },
    { channel: 'sms', id: '+15550001002', type: 'phone', part: 'hello' },
    { channel: 'voice', id: '+15550001001', type: 'phone', part: 'Sales' },
  ])
})
