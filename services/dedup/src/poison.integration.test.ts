import { deadLetterBody, HEADER, parseDeadLetterKeys, type WireRecord } from '@weir/contracts'
import { Metrics } from '@weir/runtime'
import { isolatedKafka } from '@weir/testkit'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Deployment, webhook } from './testing/deployment.ts'

let deployment: Deployment

beforeEach(async () => {
  deployment = new Deployment(isolatedKafka('poison', 1))
  await deployment.createTopics()
})
afterEach(() => deployment.close())

const good = webhook('good')
const without = (name: string): WireRecord['headers'] =>
  Object.fromEntries(Object.entries(good.headers).filter(([one]) => one !== name))

const POISON: Readonly<Record<string, unknown>> = {
  'no headers': { ...good, headers: {} },
  'no event key': { ...good, headers: without(HEADER.eventKey) },
  'no source': { ...good, headers: without(HEADER.source) },
  'a short event key': { ...good, headers: { ...good.headers, [HEADER.eventKey]: Buffer.alloc(3) } },
  'a long body hash': { ...good, headers: { ...good.headers, [HEADER.bodyHash]: Buffer.alloc(9) } },
  'no value': { ...good, value: null },
  'an unknown intake error': {
    ...good,
    headers: { ...good.headers, [HEADER.intakeError]: Buffer.from('?') },
  },
  'a value of 1 MB': { ...good, value: Buffer.alloc(1_000_000, 'x') },
  'a header of 900 kB': { ...good, headers: { other: Buffer.alloc(900_000) } },
  'bytes that are no text': { ...good, headers: { [HEADER.source]: Buffer.from([0xff, 0xfe, 0x00]) } },
}

it('writes one letter for each poisoned record, and continues after it', async () => {
  const deep = `${'['.repeat(5_000)}${']'.repeat(5_000)}`
  for (const record of Object.values(POISON)) await deployment.send(record as WireRecord, undefined, 0)
  await deployment.send(webhook('deep', deep))
  await deployment.send(webhook('malformed', deep, true))
  await deployment.send(good)
  const service = await deployment.start()
  const count = Object.keys(POISON).length
  await vi.waitFor(async () => expect((await deployment.totals()).received).toBe(count + 3), {
    timeout: 30_000,
    interval: 100,
  })
  expect(service.readiness()).toEqual([])
  expect(await deployment.totals()).toMatchObject({ unique: 2, duplicates: 0, deadLettered: count + 1 })
  // Nobody here looks into a body: what is deep passes, byte by byte.
  const unique = await deployment.read(deployment.topics.unique)
  expect(unique.map(({ key }) => key!.toString())).toEqual(['cxone|deep', 'cxone|good'])
  expect(unique[0]!.value!.toString()).toBe(deep)
  const letters = await deployment.read(deployment.topics.dedupDlq)
  const reasons = letters.map(({ headers }) => headers[HEADER.dlqReason]!.toString())
  expect(reasons).toEqual([...Array<string>(count).fill('record_invalid'), 'invalid_json'])
  const cut = letters.filter(({ headers }) => headers[HEADER.dlqTruncated] !== undefined)
  expect(cut.map(({ headers }) => headers[HEADER.dlqSourceOffset]!.toString())).toEqual(['7', '8'])
}, 90_000)

it('writes both hashes of a conflict, and counts findings by class', async () => {
  const metrics = new Metrics('dedup')
  await deployment.start({}, metrics)
  const withSequence = (id: string, sequence: number): WireRecord => {
    const record = webhook(`${id}-${sequence}`)
    return {
      ...record,
      key: Buffer.from(`cxone|${id}`),
      headers: { ...record.headers, [HEADER.providerSequence]: Buffer.from(String(sequence)) },
    }
  }
  for (const sequence of [1, 2, 5, 3]) await deployment.send(withSequence('call', sequence))
  await deployment.send(withSequence('call', 5))
  const first = webhook('one')
  const other = webhook('one', '{"other":"body"}')
  for (const record of [first, other, other, first]) await deployment.send(record)
  await vi.waitFor(async () => expect((await deployment.totals()).received).toBe(9), {
    timeout: 30_000,
    interval: 100,
  })
  const [letter, ...rest] = await deployment.read(deployment.topics.dedupDlq)
  expect(rest).toEqual([])
  expect(letter!.headers[HEADER.bodyHash]).toEqual(other.headers[HEADER.bodyHash])
  expect(letter!.headers[HEADER.conflictsWith]!.toString()).toBe(
    first.headers[HEADER.bodyHash]!.toString('hex'),
  )
  const text = await metrics.registry.metrics()
  const found = [...text.matchAll(/weir_dedup_findings_total\{class="(\w+)".*\} (\d+)/g)]
  expect(Object.fromEntries(found.map(([, name, count]) => [name, Number(count)]))).toEqual({
    gap: 1,
    out_of_order: 1,
    immediate_repeat: 3,
    conflict: 1,
  })
}, 60_000)

it('seals its letters with the keys of DLQ_KEYS, and reports no keys of a released partition', async () => {
  const key = `2026a:${'5a'.repeat(32)}`
  const metrics = new Metrics('dedup')
  await deployment.start({ DLQ_KEYS: key }, metrics)
  const bodies = ['{"secret":"one"', 'x'.repeat(1_000_000)]
  await deployment.send(webhook('broken', bodies[0], true))
  await deployment.send({ ...webhook('large'), value: Buffer.from(bodies[1]!) }, undefined, 0)
  await vi.waitFor(async () => expect((await deployment.totals()).deadLettered).toBe(2), {
    timeout: 30_000,
    interval: 100,
  })
  const [letter, large] = await deployment.read(deployment.topics.dedupDlq)
  expect(letter!.value!.includes('secret')).toBe(false)
  expect(deadLetterBody(letter!, parseDeadLetterKeys([key])).toString()).toBe(bodies[0])
  expect(large!.headers[HEADER.dlqTruncated]!.toString()).toBe('1000000')
  expect(bodies[1]!.startsWith(deadLetterBody(large!, parseDeadLetterKeys([key])).toString())).toBe(true)
  const gauges = async () => (await metrics.registry.metrics()).match(/^weir_dedup_\w+\{.*partition="0".*$/gm)
  expect(await gauges()).toEqual(expect.arrayContaining([expect.stringMatching(/^weir_dedup_keys\{.*\} 1$/)]))
  await deployment.stop()
  expect(await gauges()).toBe(null)
}, 60_000)

it('continues within 5 s after a poisoned record', async () => {
  await deployment.start()
  await deployment.send(good)
  const passed = (count: number) =>
    vi.waitFor(async () => expect(await deployment.read(deployment.topics.unique)).toHaveLength(count), {
      timeout: 30_000,
      interval: 20,
    })
  await passed(1)
  for (const record of Object.values(POISON)) await deployment.send(record as WireRecord, undefined, 0)
  await deployment.send(webhook('behind'))
  const sentAt = performance.now()
  await passed(2)
  expect(performance.now() - sentAt).toBeLessThan(5_000)
}, 60_000)
