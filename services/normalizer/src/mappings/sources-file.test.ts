import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OPAQUE_SHAPE } from '@weir/contracts'
import { ConfigError } from '@weir/runtime'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { MappingSet } from './load-mappings.ts'
import { readMappings } from './sources-file.ts'
import { tryMapping } from './try-mappings.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-sources-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const write = (name: string, content: string): string => {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}

const SOURCES = `
version: 1
sources:
  bot: { preset: cognigy, unknownFields: ignore }
  calls: { preset: cxone }
  shop: { preset: shopify }
  nice: { preset: nice, unknownFields: ignore }
  pages: { preset: nice-expert }
`
const BOT = { conversationId: 'c', sessionId: 's', intent: 'i', timestamp: 1, userId: 'u', more: 1 }

const load = (mappings?: string) =>
  readMappings(
    mappings === undefined ? [] : [write('mappings.yaml', mappings)],
    write('sources.yaml', SOURCES),
  )

const map = (set: MappingSet, source: string, payload: object) =>
  tryMapping(set, source, Buffer.from(JSON.stringify(payload)))

it('maps a source of the file like its preset, with its own rule about unknown fields', () => {
  const set = load()
  const bot = map(set, 'bot', BOT).event!
  expect(bot).toMatchObject({ intent: 'i', sessionId: 's', channel: 'bot' })
  expect(bot.attributes).toEqual({})
  const call = {
    interactionId: 'i',
    eventType: 't',
    timestamp: '2024-05-11T12:00:00Z',
    skill: 'Sales',
    more: 1,
  }
  expect(map(set, 'calls', call)).toMatchObject({ event: { skill: 'Sales', attributes: { more: '1' } } })
  expect(map(set, 'nice', { interactionId: 'i', extra: true }).event!.attributes).toEqual({})
})

it('keeps every field of a source without a mapping', () => {
  expect(map(load(), 'shop', { order: { id: 1 }, total: '9' })).toMatchObject({
    event: { attributes: { order: '{"id":1}', total: '"9"' }, partsMissing: [] },
  })
})

it('makes an event of every body of an opaque source, with only raw bytes unless it is a JSON object', () => {
  const set = load()
  for (const body of ['<event><page id="1"/></event>', 'a=1&b=2', '"text"', '3', 'null', '', '\xff']) {
    const raw = Buffer.from(body, 'latin1')
    const { event, deadLetter } = tryMapping(set, 'pages', raw)
    expect(deadLetter).toBeUndefined()
    expect(event).toMatchObject({ raw, partsMissing: [], schemaVersion: OPAQUE_SHAPE })
    expect(event!.attributes).toEqual({})
  }
  expect(map(set, 'pages', { page: 1 })).toMatchObject({ event: { attributes: { page: '1' } } })
  expect(tryMapping(set, 'shop', Buffer.from('<xml/>'))).toMatchObject({
    deadLetter: { reason: 'invalid_json' },
  })
})

it('prefers a mapping file to the sources file', () => {
  const set = load(`
sources: { bot: { unknownFields: evolve } }
mappings: [{ name: own bot, source: bot, fields: { message: $.more } }]
`)
  const { event } = map(set, 'bot', BOT) as { event: Record<string, unknown> }
  expect(event).toMatchObject({ message: '1', intent: null })
  expect(Object.keys(event.attributes as object)).toContain('intent')
})

it('refuses an invalid sources file', () => {
  expect(() => readMappings([], join(folder, 'none.yaml'))).toThrow(ConfigError)
  expect(() => readMappings([], write('bad.yaml', 'version: 2'))).toThrow(/bad\.yaml:1/)
})
