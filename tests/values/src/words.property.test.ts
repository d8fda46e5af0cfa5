import { createRequire } from 'node:module'
import { encodeReceivedWebhook, entityKeyOf, eventKeyOf, HEADER } from '@weir/contracts'
import { isContainer, isJsonObject, parseExactJson, type JsonValue } from '@weir/exact-json'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { parametersOf } from '../../../services/persistence/src/postgres/columns.ts'
import { exportLetter } from '../../../services/replay/src/letters/export-letter.ts'
import { applyFixUp } from '../../../services/replay/src/jobs/fix-up.ts'
import { readLetter } from '../../../services/replay/src/letters/letter.ts'
import { deliveries } from './bodies.ts'
import { keepingSink, openStages, type Stages } from './stages.ts'

let stages: Stages
const { sink, written } = keepingSink()

beforeAll(async () => {
  stages = await openStages(sink)
})
afterAll(() => stages.close())

/** The content of a body, unless it is nested too deeply to be written again. */
const meaningOf = (body: string): { readonly value: JsonValue; readonly text: string } | undefined => {
  try {
    const value = parseExactJson(body)
    return { value, text: JSON.stringify(value) }
  } catch {
    return undefined
  }
}

const depthOf = (value: JsonValue): number => {
  let depth = 0
  let level = [value].filter(isContainer)
  for (; level.length > 0; depth++) level = level.flatMap((one) => Object.values(one)).filter(isContainer)
  return depth
}

const letterOf = (raw: Buffer) => {
  const { key, value, headers } = encodeReceivedWebhook({
    source: 'github',
    interactionId: 'i',
    eventType: 't',
    dedupKey: 'd',
    raw,
    entityKey: entityKeyOf('github', 'i'),
    eventKey: eventKeyOf('github', 'd'),
    bodyHash: Buffer.alloc(8),
    receivedAt: 0,
  })
  const marked = { ...headers, [HEADER.dlqReason]: Buffer.from('unmappable') }
  const record = { topic: 't', partition: 0, offset: 0n, timestamp: 0, key, value, headers: marked }
  return readLetter('normalizer', record, 'pending_inspection')
}

const FIX_UP = { name: 'f', replaceText: [], set: { 'set by the fix-up': 1 }, rename: {}, remove: [] }

it('keeps every digit of a body in its row, its letter, its export and after a fix-up', async () => {
  let fixed = 0
  await fc.assert(
    fc.asyncProperty(deliveries(stages.sources), async (delivery) => {
      const { body } = delivery
      const bytes = typeof body === 'string' ? Buffer.from(body) : body
      written.length = 0
      await stages.run([delivery])
      for (const { raw } of written) expect(raw.equals(bytes)).toBe(true)
      const letter = letterOf(bytes)
      expect(letter.record.value!.equals(bytes)).toBe(true)
      expect(exportLetter(letter, 'weir', undefined)).toMatchObject({ body: bytes.toString('base64') })
      const exported = JSON.stringify(exportLetter(letter, 'cxone-router', undefined))
      const { payload } = parseExactJson(exported) as { readonly payload: JsonValue }
      const value = meaningOf(bytes.toString())
      const meant =
        value === undefined || depthOf(value.value) > 1_000 ? JSON.stringify(bytes.toString()) : value.text
      expect(JSON.stringify(payload) === meant).toBe(true)
      if (value === undefined || !isJsonObject(value.value)) return
      const edited = applyFixUp(FIX_UP, bytes)
      if (edited.kind === 'failed') throw new Error(edited.why)
      const fields = Object.fromEntries([...Object.entries(value.value), ['set by the fix-up', 1]])
      expect(edited.body.toString()).toBe(JSON.stringify(fields))
      fixed += 1
    }),
    { numRuns: 2_000 },
  )
  expect(fixed).toBeGreaterThan(500)
}, 120_000)

interface PublishedEvents {
  readonly name: string
  readonly examples: readonly object[]
}

it("stores GitHub's published deliveries, and returns them byte for byte", async () => {
  const events = createRequire(import.meta.url)('@octokit/webhooks-examples') as readonly PublishedEvents[]
  const all = events.flatMap(({ name, examples }) =>
    examples.map((example, at) => ({
      source: 'github',
      headers: { 'x-github-event': name, 'x-github-delivery': `${name}-${at}` },
      body: JSON.stringify(example, null, at % 3),
    })),
  )
  expect(all.length).toBeGreaterThan(300)
  written.length = 0
  for (const end of await stages.run(all)) expect(end).toEqual({ kind: 'row' })
  expect(written.map(({ raw }) => raw.toString())).toEqual(all.map(({ body }) => body))
  for (const [at, column] of parametersOf(written).entries())
    expect(column, String(at)).toHaveLength(all.length)
  // jsonb gets the unchanged body, because a database can hold everything in it.
  expect(parametersOf(written)).toContainEqual(all.map(({ body }) => body))
  for (const { body } of all) {
    const exported = exportLetter(letterOf(Buffer.from(body)), 'weir', undefined) as { readonly body: string }
    expect(Buffer.from(exported.body, 'base64').toString()).toBe(body)
  }
}, 60_000)
