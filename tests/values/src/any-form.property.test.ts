import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { jsonBody, parseBodyForm, type InteractionEvent } from '@weir/contracts'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { COLUMNS, parametersOf } from '../../../services/persistence/src/postgres/columns.ts'
import type { Delivery } from './bodies.ts'
import { keepingSink, openStages, type Stages } from './stages.ts'

let stages: Stages
const { sink, written } = keepingSink()
beforeAll(async () => {
  stages = await openStages(sink)
})
afterAll(() => stages.close())

const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const CODINGS = {
  none: (bytes: Buffer) => ({ bytes, headers: {} }),
  gzip: (bytes: Buffer) => ({ bytes: gzipSync(bytes), headers: { 'content-encoding': 'gzip' } }),
  deflate: (bytes: Buffer) => ({ bytes: deflateSync(bytes), headers: { 'content-encoding': 'deflate' } }),
  bare: (bytes: Buffer) => ({ bytes: deflateRawSync(bytes), headers: { 'content-encoding': 'deflate' } }),
}
const coding = fc.constantFrom(...(Object.keys(CODINGS) as (keyof typeof CODINGS)[]))
const text = fc.string({ unit: 'grapheme', maxLength: 12 })
const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }).filter((one) => one !== '__proto__')
/** Without the name that intake refuses at any depth. */
const value = fc
  .jsonValue({ depthSize: 'small' })
  .filter((one) => !JSON.stringify(one).includes('"__proto__"'))

const endOf = async (delivery: Delivery): Promise<InteractionEvent> => {
  written.length = 0
  expect(await stages.run([delivery]), String(delivery.body)).toEqual([{ kind: 'row' }])
  return written[0]!
}

const column = (event: InteractionEvent, wanted: 'raw' | 'payload'): unknown =>
  parametersOf([event])[COLUMNS.findIndex(({ name }) => name === wanted)]![0]

/** The event of a plain JSON body. */
const plain = (source: string, json: string) =>
  endOf({ source, headers: { 'content-type': 'application/json' }, body: json })

const expectSame = (event: InteractionEvent, as: InteractionEvent, sent: Buffer): void => {
  expect(event.raw.equals(sent)).toBe(true)
  expect(column(event, 'raw')).toEqual(sent)
  expect(column(event, 'payload')).toEqual(column(as, 'payload'))
  expect(event).toMatchObject({
    attributes: as.attributes,
    schemaVersion: as.schemaVersion,
    eventKey: as.eventKey,
  })
  expect(jsonBody({ raw: event.raw, bodyForm: parseBodyForm(event.bodyForm) }).toString()).toBe(
    as.raw.toString(),
  )
}

it('reads compressed, marked and form-encoded JSON alike in every service, and keeps the sent bytes', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(name, value, { noNullPrototype: true }),
      coding,
      fc.constantFrom('marked', 'form', 'plain'),
      async (fields, how, as) => {
        const json = JSON.stringify({ ...fields, id: 'i-1', type: 't' })
        const body =
          as === 'form' ? `payload=${encodeURIComponent(json)}` : as === 'marked' ? `\uFEFF${json}` : json
        const { bytes, headers } = CODINGS[how](Buffer.from(body))
        const type = as === 'form' ? FORM : { 'content-type': 'application/json' }
        const event = await endOf({ source: 'payloads', headers: { ...headers, ...type }, body: bytes })
        expectSame(event, await plain('payloads', json), bytes)
      },
    ),
    { numRuns: 300 },
  )
}, 60_000)

it('reads a form with fields as an object of strings', async () => {
  await fc.assert(
    fc.asyncProperty(fc.dictionary(name, text, { noNullPrototype: true }), coding, async (fields, how) => {
      const all: Record<string, string> = { ...fields, id: 'i-1', type: 't' }
      const { bytes, headers } = CODINGS[how](Buffer.from(new URLSearchParams(all).toString()))
      const event = await endOf({ source: 'fields', headers: { ...headers, ...FORM }, body: bytes })
      const json = JSON.stringify(Object.fromEntries(new URLSearchParams(all)))
      expect(JSON.parse(String(column(event, 'payload')))).toEqual(
        JSON.parse(String(column(await plain('fields', json), 'payload'))),
      )
    }),
    { numRuns: 200 },
  )
}, 60_000)
