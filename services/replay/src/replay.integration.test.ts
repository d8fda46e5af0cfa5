import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeReceivedWebhook, eventKeyOf, HEADER, isBodyWhole } from '@weir/contracts'
import { openMaintenance, type InputRecord } from '@weir/kafka'
import { isolatedKafka, testServers } from '@weir/testkit'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { ReplayRig, WAIT } from './testing/replay-rig.ts'

let rig: ReplayRig
beforeEach(async () => {
  rig = await ReplayRig.open(isolatedKafka('replay'), testServers().registryUrl)
})
afterEach(() => rig.stop())

it('returns exactly the counted letters of a filter to their stage, each once', async () => {
  await rig.start()
  const ids = Array.from({ length: 30 }, (_, i) => `id-${i}`)
  await rig.putLetters(rig.topics.normalizerDlq, ids, 'unmappable', { sealed: true })
  await rig.putLetters(rig.topics.normalizerDlq, ['other'], 'schema_violation')
  await rig.putLetters(rig.topics.normalizerDlq, ['again'], 'unmappable', { replayCount: 3 })
  const filter = { stage: 'normalizer', reason: 'unmappable' }
  expect((await rig.call('POST', '/v1/jobs', { kind: 'replay', filter, dryRun: true })).json).toEqual({
    dryRun: true,
    count: 31,
    stays: [],
    counts: { scanned: 32, matched: 31, done: 30, guarded: 1, unusable: 0 },
  })
  // Nothing is changed by a rehearsal, and it says what a fix-up does not cure.
  const fixUp = { name: 'none', replaceText: [{ find: '{', with: '[' }] }
  expect(
    (await rig.call('POST', '/v1/jobs', { kind: 'replay', filter, fixUp, dryRun: true })).json,
  ).toMatchObject({
    count: 31,
    counts: { done: 0, unusable: 30, guarded: 1 },
    stays: expect.arrayContaining([
      { letter: expect.any(String) as string, why: 'the body is not a JSON object after the fix-up' },
    ]) as object,
  })

  const job = await rig.run({ kind: 'replay', filter })
  expect(job).toMatchObject({
    requestedBy: 'ann',
    counts: { scanned: 32, matched: 31, done: 30, guarded: 1, unusable: 0 },
  })
  const returned = await rig.readAll(rig.topics.normalizerReplay)
  expect(returned.map((record) => decodeReceivedWebhook(record).interactionId).sort()).toEqual(ids.toSorted())
  for (const { value, headers } of returned) {
    expect(value!.toString()).toMatch(/^\{"id":"id-\d+"\}$/)
    expect(headers[HEADER.replayCount]?.toString()).toBe('1')
    expect(headers[HEADER.dlqReason]).toBeUndefined()
    expect(headers[HEADER.replayOf]?.toString()).toMatch(/^normalizer\/\d+\/\d+$/)
  }
  await rig.run({ kind: 'replay', filter })
  expect(await rig.readAll(rig.topics.normalizerReplay)).toHaveLength(30)
  expect(await rig.readAll(rig.topics.dedupReplay)).toHaveLength(0)

  await rig.run({ kind: 'discard', filter: { stage: 'normalizer', reason: 'schema_violation' } })
  const { json } = await rig.call('GET', '/v1/letters?stage=normalizer&status=discarded')
  expect((json.letters as { reason: string }[]).map(({ reason }) => reason)).toEqual(['schema_violation'])
}, 120_000)

it('continues an interrupted job without a repeated or a missing letter', async () => {
  await rig.start()
  const ids = Array.from({ length: 200 }, (_, i) => `id-${i}`)
  await rig.putLetters(rig.topics.normalizerDlq, ids, 'unmappable')
  const id = randomUUID()
  const request = { id, kind: 'replay', filter: { stage: 'normalizer' }, ratePerSec: 40 }
  const startedAt = performance.now()
  await rig.call('POST', '/v1/jobs', request)
  await rig.call('POST', '/v1/jobs', request)
  await vi.waitFor(
    async () => expect((await rig.readAll(rig.topics.normalizerReplay)).length).toBeGreaterThan(20),
    WAIT,
  )
  await rig.stop()
  const before = (await rig.readAll(rig.topics.normalizerReplay)).length
  expect(before).toBeLessThan(200)
  await rig.start()
  expect(await rig.ended(id)).toMatchObject({ state: 'done', counts: { done: 200 } })
  // 200 letters at 40 a second, but for the first chunk of each start, 20 letters.
  expect(performance.now() - startedAt).toBeGreaterThan((1_000 * (200 - 2 * 20)) / 40)
  const keys = (await rig.readAll(rig.topics.normalizerReplay)).map(({ key }) => key!.toString())
  expect(keys).toHaveLength(200)
  expect(new Set(keys).size).toBe(200)
}, 120_000)

it('waits across a restart until another operator approves a job, and then takes the counted letters', async () => {
  const bob = 'another token of the tests'
  const env = {
    REPLAY_APPROVALS: 'over:10,discard',
    REPLAY_TOKENS: `ann:a token of the tests,bob:${bob},cy/viewer:a token that may only read`,
  }
  await rig.start(env)
  const put = (from: number, count: number) =>
    rig.putLetters(
      rig.topics.normalizerDlq,
      Array.from({ length: count }, (_, i) => `id-${from + i}`),
      'unmappable',
    )
  await put(0, 10)
  const request = { kind: 'replay', filter: { stage: 'normalizer', status: 'any' } }
  expect(await rig.run(request)).toMatchObject({ state: 'done', counts: { done: 10 }, letters: 10 })
  await put(10, 10)
  const approval = { why: ['over:10'] }
  const { json } = await rig.call('POST', '/v1/jobs', request)
  expect(json).toMatchObject({ approval })
  const path = `/v1/jobs/${json.id as string}`
  const waits = () =>
    vi.waitFor(
      async () =>
        expect((await rig.call('GET', path)).json).toMatchObject({ state: 'waiting', approval, letters: 20 }),
      WAIT,
    )
  await waits()
  expect((await rig.call('POST', `${path}/approve`)).status).toBe(403)
  expect((await rig.call('POST', `${path}/approve`, undefined, 'a token that may only read')).status).toBe(
    403,
  )
  // Letters that come while it waits are not what is approved.
  await put(20, 5)
  await rig.stop()
  await rig.start(env)
  await waits()
  expect(await rig.readAll(rig.topics.normalizerReplay)).toHaveLength(10)
  expect((await rig.call('POST', `${path}/approve`, undefined, bob)).status).toBe(202)
  expect(await rig.ended(json.id as string)).toMatchObject({
    state: 'done',
    counts: { done: 20 },
    approval: { by: 'bob' },
  })
  const counts = new Map<string, number>()
  for (const { key } of await rig.readAll(rig.topics.normalizerReplay))
    counts.set(key!.toString(), (counts.get(key!.toString()) ?? 0) + 1)
  expect(counts).toEqual(new Map(Array.from({ length: 20 }, (_, i) => [`nice|id-${i}`, i < 10 ? 2 : 1])))

  const discard = (await rig.call('POST', '/v1/jobs', { ...request, kind: 'discard' })).json.id as string
  await vi.waitFor(async () => expect((await rig.call('GET', `/v1/jobs/${discard}`)).status).toBe(200), WAIT)
  expect((await rig.call('POST', `/v1/jobs/${discard}/cancel`)).status).toBe(202)
  expect(await rig.ended(discard)).toMatchObject({ state: 'cancelled', counts: { done: 0 } })
  const notes = (await rig.readAll(rig.topics.auditLog)).map(
    ({ value }) => JSON.parse(value!.toString()) as { what: string; who: { name: string } },
  )
  expect(notes.map(({ what, who }) => `${what} ${who.name}`).filter((one) => one.startsWith('job.'))).toEqual(
    ['job.replay ann', 'job.replay ann', 'job.approve bob', 'job.discard ann', 'job.cancel ann'],
  )
}, 120_000)

it('ends every job that began while letters arrived in transactions, and returns each letter once', async () => {
  await rig.start()
  const topic = rig.topics.normalizerDlq
  const writer = await openMaintenance({
    settings: rig.settings,
    service: 'letters',
    changelogTopic: rig.topics.seen,
    outputs: [topic],
  })
  const arriving = { goesOn: true }
  const written: string[] = []
  const write = async (partition: number): Promise<void> => {
    const claim = await writer.claim(partition)
    for (let n = 0; arriving.goesOn; n++) {
      const ids = Array.from({ length: 1 + (n % 3) }, (_, i) => `${partition}-${n}-${i}`)
      const letters = ids.map((id) => ({ ...rig.letterOf(topic, id, 'unmappable', {}), partition }))
      await claim.commit(letters)
      written.push(...letters.map(({ key }) => key.toString()))
    }
    await claim.close()
  }
  const writing = [0, 1].map(write)
  const jobs: string[] = []
  const filter = { stage: 'normalizer' }
  await vi.waitFor(() => expect(written.length).toBeGreaterThan(20), WAIT)
  for (let n = 0; n < 12; n++) {
    jobs.push((await rig.call('POST', '/v1/jobs', { kind: 'replay', filter })).json.id as string)
    await vi.waitFor(
      async () => expect((await rig.call('GET', `/v1/jobs/${jobs.at(-1)!}`)).status).toBe(200),
      WAIT,
    )
  }
  arriving.goesOn = false
  await Promise.all(writing)
  await writer.close()
  for (const id of jobs) expect((await rig.ended(id)).state).toBe('done')
  await rig.run({ kind: 'replay', filter })
  const returned = (await rig.readAll(rig.topics.normalizerReplay)).map(({ key }) => key!.toString())
  expect(returned.toSorted()).toEqual(written.toSorted())
}, 120_000)

it('returns approved conflicts and repaired bodies through dedup, each under its own key', async () => {
  await rig.start()
  await rig.putLetters(rig.topics.dedupDlq, ['conflicting'], 'key_conflict')
  const broken = '{"interactionId":"i-1","dataActionId":"da","updatedTimestamp":"T","payload":NaN}'
  await rig.putLetters(rig.topics.dedupDlq, ['malformed:1'], 'invalid_json', { body: broken })

  expect(await rig.run({ kind: 'replay', filter: { stage: 'dedup', reason: 'invalid_json' } })).toMatchObject(
    { counts: { matched: 1, done: 0, unusable: 1 } },
  )
  const fixUp = { name: 'no NaN', replaceText: [{ find: 'NaN', with: '{}' }] }
  await rig.run({ kind: 'replay', filter: { stage: 'dedup', reason: 'invalid_json' }, fixUp })
  await rig.run({ kind: 'replay', filter: { stage: 'dedup', reason: 'key_conflict' } })
  const returned = await rig.readAll(rig.topics.dedupReplay)
  const byKey = new Map(returned.map((record) => [record.key!.toString(), record]))
  const fixed = byKey.get('nice|i-1')!
  expect(fixed.headers[HEADER.fixUp]?.toString()).toBe('no NaN')
  expect(isBodyWhole(fixed.headers, fixed.value!)).toBe(true)
  expect(decodeReceivedWebhook(fixed)).toMatchObject({
    interactionId: 'i-1',
    eventType: 'data.action.updated',
  })
  const conflict = byKey.get('nice|conflicting')!
  const { dedupKey, eventKey } = decodeReceivedWebhook(conflict)
  expect(dedupKey).toBe(`conflicting#${'03'.repeat(8)}`)
  expect(eventKey).toEqual(eventKeyOf('nice', dedupKey))
  expect(conflict.headers[HEADER.conflictApproved]?.toString()).toBe(
    eventKeyOf('nice', 'conflicting').toString('hex'),
  )
}, 120_000)

it('skips and reports a letter that a fix-up makes too large, and returns the others', async () => {
  await rig.start()
  const body = JSON.stringify({ text: 'x'.repeat(200_000) })
  await rig.putLetters(rig.topics.normalizerDlq, ['large'], 'unmappable', { body })
  await rig.putLetters(rig.topics.normalizerDlq, ['small'], 'unmappable', { body: '{"text":"x"}' })
  for (const [name, factor] of [
    ['too much text', 8],
    ['too many bytes', 4],
  ] as const) {
    // Two bytes each: 800,000 characters are 1,600,000 bytes.
    const fixUp = { name, replaceText: [{ find: 'x', with: 'ä'.repeat(factor) }] }
    const filter = { stage: 'normalizer', key: 'nice|large' }
    expect(await rig.run({ kind: 'replay', filter, fixUp })).toMatchObject({
      state: 'done',
      counts: { matched: 1, done: 0, unusable: 1 },
      stays: [
        {
          letter: expect.stringMatching(/^normalizer\/\d+\/\d+$/) as string,
          why: expect.stringMatching(/1[\d]{6} (bytes|characters).* 1000000/) as string,
        },
      ],
    })
  }
  const fixUp = { name: 'longer', replaceText: [{ find: 'x', with: 'xx' }] }
  await rig.run({ kind: 'replay', filter: { stage: 'normalizer' }, fixUp })
  const returned = await rig.readAll(rig.topics.normalizerReplay)
  expect(returned.map(({ key }) => key!.toString()).sort()).toEqual(['nice|large', 'nice|small'])
}, 120_000)

it('gives a repaired body the same key as ingress would by the sources file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-replay-'))
  const file = join(folder, 'sources.yaml')
  writeFileSync(
    file,
    `
version: 1
sources:
  acme:
    preset: custom
    verifier: { header: X-Acme-Signature, algorithm: sha256, encoding: hex, content: '{body}' }
    entityKey: '{call.id}'
    eventType: '{type}'
    dedupKey: '{call.id}:{n}'
`,
  )
  await rig.start({ SOURCES_FILE: file })
  rmSync(folder, { recursive: true })
  const body = '{"call":{"id":"c-1"},"type":"ended","n":NaN}'
  await rig.putLetters(rig.topics.dedupDlq, ['malformed:2'], 'invalid_json', { source: 'acme', body })
  const fixUp = { name: 'seven', replaceText: [{ find: 'NaN', with: '7' }] }
  await rig.run({ kind: 'replay', filter: { stage: 'dedup' }, fixUp })
  const [returned] = await rig.readAll(rig.topics.dedupReplay)
  expect(decodeReceivedWebhook(returned!)).toMatchObject({
    interactionId: 'c-1',
    eventType: 'ended',
    eventKey: eventKeyOf('acme', 'c-1:7'),
  })
}, 120_000)

it('cancels, shows, exports in the shapes of earlier systems, and always requires a token', async () => {
  await rig.start()
  await rig.putLetters(rig.topics.dedupDlq, ['a'], 'invalid_json', { body: '{"broken' })
  await rig.putLetters(
    rig.topics.normalizerDlq,
    Array.from({ length: 50 }, (_, i) => `id-${i}`),
    'unmappable',
  )
  expect((await rig.call('GET', '/v1/letters?stage=dedup', undefined, 'wrong')).status).toBe(401)
  expect((await rig.call('GET', '/v1/jobs', undefined, '')).status).toBe(401)
  expect((await rig.call('GET', '/v1/letters?stage=nowhere')).status).toBe(400)

  const [letter] = (await rig.readAll(rig.topics.dedupDlq)) as [InputRecord]
  const shown = await rig.call('GET', `/v1/letters/dedup/${letter.partition}/${letter.offset}`)
  expect(shown.json).toMatchObject({ reason: 'invalid_json', bytes: 8 })
  expect(shown.json.preview).toMatch(/^00000000 {2}7b 22 62 72 6f 6b 65 6e .*\{"broken$/)
  expect((await rig.call('GET', `/v1/letters/dedup/${letter.partition}/999`)).status).toBe(404)

  const exported = async (format: string) =>
    JSON.parse((await rig.call('GET', `/v1/letters/export?stage=dedup&format=${format}`)).text) as unknown
  const timestamp = new Date(1_000).toISOString()
  const error = 'JSONDecodeError: planted'
  expect(await exported('s3')).toEqual({
    timestamp,
    original_payload: '{"broken',
    error_message: error,
    retry_count: 0,
    status: 'pending_inspection',
  })
  expect(await exported('s3-full')).toEqual({ timestamp, payload: '{"broken', error: 'planted' })
  expect(await exported('cxone-router')).toEqual({ payload: '{"broken', error: 'planted', timestamp })
  expect((await rig.call('GET', '/v1/letters/export?stage=dedup&format=s5')).status).toBe(400)
  expect(await exported('weir')).toMatchObject({ body: Buffer.from('{"broken').toString('base64') })

  const { json } = await rig.call('POST', '/v1/jobs', {
    kind: 'replay',
    filter: { stage: 'normalizer' },
    ratePerSec: 2,
  })
  await vi.waitFor(
    async () => expect((await rig.readAll(rig.topics.normalizerReplay)).length).toBeGreaterThan(0),
    WAIT,
  )
  await rig.call('POST', `/v1/jobs/${json.id as string}/cancel`)
  const cancelled = await rig.ended(json.id as string)
  const returned = (await rig.readAll(rig.topics.normalizerReplay)).length
  expect(returned).toBeLessThan(50)
  expect(cancelled).toMatchObject({ state: 'cancelled', counts: { done: returned, matched: returned } })
  const count = async (status: string) =>
    (await rig.call('GET', `/v1/letters/count?stage=normalizer&status=${status}`)).json.count
  expect([await count('replayed'), await count('pending_inspection')]).toEqual([returned, 50 - returned])
  // The rest is untouched: the next job brings back just that.
  const { json: next } = await rig.call('POST', '/v1/jobs', {
    kind: 'replay',
    filter: { stage: 'normalizer' },
  })
  expect(await rig.ended(next.id as string)).toMatchObject({ state: 'done', counts: { done: 50 - returned } })
  const keys = (await rig.readAll(rig.topics.normalizerReplay)).map(({ key }) => key!.toString())
  expect([keys.length, new Set(keys).size]).toEqual([50, 50])
}, 120_000)
