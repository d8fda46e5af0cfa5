import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { OURS, Switched } from './switching.ts'

const MESSAGE = {
  conversationId: 'conv-8f3a9b2c',
  sessionId: 'sess-1a2b3c4d',
  intent: 'book_appointment',
  timestamp: 1_715_428_800_000,
  userId: 'usr-9x8y7z6w',
}
const SOURCES = `version: 1
sources:
  cognigy: { preset: cognigy, responseProfile: cognigy, onInvalid: reject-400 }
`

it('S1-07 switches over with its addresses and answers: one row of each message, the same answer for its repeat', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-s1-'))
  const file = join(folder, 'sources.yaml')
  writeFileSync(file, SOURCES)
  onTestFinished(() => {
    rmSync(folder, { recursive: true })
  })
  const s1 = await Switched.over('s1', { SOURCES_FILE: file, SOURCE_COGNIGY_CIDRS: OURS })
  const send = (body: object, method?: string) =>
    s1.deliver('/webhooks/cognigy', JSON.stringify(body), {}, method)
  const first = await send(MESSAGE)
  expect([first.status, JSON.parse(first.text)]).toMatchObject([200, { success: true }])
  const again = await send(MESSAGE)
  const { messageId } = JSON.parse(first.text) as { messageId: string }
  expect([again.status, JSON.parse(again.text)]).toMatchObject([200, { success: true, messageId }])
  expect((await send({ ...MESSAGE, sessionId: 'sess-2' })).status).toBe(200)
  const { intent: _, ...without } = MESSAGE
  expect(await send(without)).toEqual({ status: 400, text: '{"error":"Missing required field: intent"}' })
  expect((await send(MESSAGE, 'GET')).status).toBe(405)
  await s1.settled(2, 1)
  expect(await s1.query('SELECT DISTINCT source, intent, user_id FROM events')).toEqual([
    { source: 'cognigy', intent: 'book_appointment', user_id: 'usr-9x8y7z6w' },
  ])
})
