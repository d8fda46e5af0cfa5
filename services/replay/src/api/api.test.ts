import { connect } from 'node:net'
import { RetriableError } from '@weir/kafka'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { encodeJson, jobRequest, NO_COUNTS, type Job } from '../jobs/job.ts'
import { JobTable, jobKey } from '../jobs/job-table.ts'
import { madeLetters, modelApi, TOKEN, VIEWER_TOKEN } from '../testing/model-api.ts'

type Api = ReturnType<typeof modelApi>

const call = async ({ app }: Api, method: 'GET' | 'POST', url: string, body?: object | string) => {
  const response = await app.inject({
    method,
    url,
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    ...(body !== undefined && { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = response.body
  return {
    status: response.statusCode,
    text,
    json: (text.startsWith('{') ? JSON.parse(text.split('\n')[0]!) : {}) as Record<string, unknown>,
  }
}

const FILTER = { stage: 'normalizer' }
const jobOf = (id: string, changes: Partial<Job> = {}): Job => ({
  ...jobRequest.parse({ kind: 'discard', filter: FILTER }),
  id,
  requestedBy: 'ann',
  requestedAt: 1,
  state: 'done',
  cursor: { 0: '1' },
  end: {},
  counts: NO_COUNTS,
  finishedAt: Date.now(),
  ...changes,
})
const put = (table: JobTable, job: Job): void => table.apply(jobKey(job.id), encodeJson(job))

it.each([
  ['1e-300', 400],
  ['0', 400],
  ['-1', 400],
  ['5e-324', 400],
  ['0.0999', 400],
  ['1e309', 400],
  ['100001', 400],
  ['null', 400],
  ['"5"', 400],
  ['0.1', 202],
  ['100000', 202],
])('takes a rate only where a job can keep it: %s', async (rate, status) => {
  const api = modelApi(madeLetters(1, 10))
  const body = `{"kind":"discard","filter":{"stage":"normalizer"},"ratePerSec":${rate}}`
  expect((await call(api, 'POST', '/v1/jobs', body)).status).toBe(status)
  expect(api.sent).toHaveLength(status === 202 ? 1 : 0)
})

it('refuses every number outside of its limits with 400', async () => {
  const api = modelApi(madeLetters(3, 10))
  const odd = fc.oneof(
    fc.double().map(String),
    fc.bigInt().map(String),
    fc.constantFrom('', ' ', '1e999', '-0', '0x10', '９', '1_0', '99999999999999999999', 'NaN', '[]'),
  )
  await fc.assert(
    fc.asyncProperty(odd, async (text) => {
      const one = encodeURIComponent(text)
      for (const url of [
        `/v1/letters?stage=normalizer&limit=${one}`,
        `/v1/letters?stage=normalizer&after=${one}`,
        `/v1/letters?stage=normalizer&after=0/${one}`,
        `/v1/letters/export?stage=normalizer&after=${one}/0`,
        `/v1/letters/normalizer/${one}/0`,
        `/v1/letters/normalizer/0/${one}`,
        `/v1/jobs?limit=${one}`,
      ]) {
        expect([200, 400, 404], url).toContain((await call(api, 'GET', url)).status)
      }
      for (const name of ['ratePerSec', 'replaysMax'] as const) {
        const body = `{"kind":"replay","filter":{"stage":"normalizer"},"dryRun":true,"${name}":${text}}`
        expect([200, 400], body).toContain((await call(api, 'POST', '/v1/jobs', body)).status)
      }
    }),
    { numRuns: 150 },
  )
}, 60_000)

it('lists each letter on exactly one page', async () => {
  const api = modelApi(madeLetters(25, 10))
  const offsets: string[] = []
  let after = ''
  for (let pages = 0; pages < 10; pages++) {
    const { json } = await call(api, 'GET', `/v1/letters?stage=normalizer&limit=7${after}`)
    offsets.push(...(json.letters as { offset: string }[]).map(({ offset }) => offset))
    if (json.next === null) break
    after = `&after=${json.next as string}`
  }
  expect(offsets).toEqual(Array.from({ length: 25 }, (_, i) => String(i)))
  const rest = await call(api, 'GET', '/v1/letters/export?stage=normalizer&after=0/21')
  expect(rest.text.trimEnd().split('\n')).toHaveLength(3)
})

it('ends a page after a limited number of records, even without a match', async () => {
  const api = modelApi(madeLetters(250_000, 10))
  const { json } = await call(api, 'GET', '/v1/letters?stage=normalizer&source=other')
  expect(json).toEqual({ letters: [], next: '0/199999' })
  const last = await call(api, 'GET', '/v1/letters?stage=normalizer&source=other&after=0/199999')
  expect(last.json).toEqual({ letters: [], next: null })
}, 60_000)

it('lists jobs in pages, the latest first, without the content of fix-ups', async () => {
  const api = modelApi(madeLetters(1, 10))
  const fixUp = { name: 'fix', replaceText: [], set: { secret: 'body' }, rename: {}, remove: [] }
  for (let i = 0; i < 25; i++) put(api.table, jobOf(`job-${i}`, { requestedAt: i, fixUp }))
  const ids: string[] = []
  let after = ''
  for (let pages = 0; pages < 10; pages++) {
    const { json, text } = await call(api, 'GET', `/v1/jobs?limit=10${after}`)
    expect(text).not.toContain('body')
    ids.push(...(json.jobs as { id: string }[]).map(({ id }) => id))
    if (json.next === null) break
    after = `&after=${json.next as string}`
  }
  expect(ids).toEqual(Array.from({ length: 25 }, (_, i) => `job-${24 - i}`))
  expect((await call(api, 'GET', '/v1/jobs?after=unknown')).status).toBe(400)
  expect((await call(api, 'GET', '/v1/jobs/job-3')).json).toMatchObject({
    fixUp: { set: { secret: 'body' } },
  })
})

it('forgets ended jobs that are too old, too many or too large, the oldest first', () => {
  const day = 86_400_000
  const now = 100 * day
  const table = new JobTable()
  for (let i = 0; i < 600; i++) put(table, jobOf(`job-${i}`, { requestedAt: i, finishedAt: now }))
  put(table, jobOf('old', { requestedAt: 1_000, finishedAt: now - 31 * day }))
  put(table, jobOf('running', { requestedAt: 0, state: 'running', finishedAt: null }))
  const expired = table.expired(now)
  expect(expired.toSorted()).toEqual(['old', ...Array.from({ length: 101 }, (_, i) => `job-${i}`)].toSorted())
  for (const id of expired) table.apply(jobKey(id), null)
  expect(table.expired(now)).toEqual([])
  expect([table.all().length, table.get('running')?.state]).toEqual([500, 'running'])
  const large = { name: 'large', replaceText: [], set: { x: 'x'.repeat(60_000) }, rename: {}, remove: [] }
  for (let i = 0; i < 200; i++) put(table, jobOf(`large-${i}`, { requestedAt: 2_000 + i, fixUp: large }))
  for (const id of table.expired(now)) table.apply(jobKey(id), null)
  const bytes = table.all().reduce((sum, job) => sum + encodeJson(job).length, 0)
  expect(bytes).toBeLessThan(8_400_000)
  expect(bytes).toBeGreaterThan(8_200_000)
})

it('refuses jobs beyond the limit', async () => {
  const api = modelApi(madeLetters(1, 10))
  const begin = () => call(api, 'POST', '/v1/jobs', { kind: 'discard', filter: FILTER })
  for (let i = 0; i < 100; i++) expect((await begin()).status).toBe(202)
  expect(await begin()).toMatchObject({
    status: 429,
    json: { error: expect.stringContaining('100 jobs') as string },
  })
  for (const command of api.sent)
    if (command.kind === 'create') put(api.table, { ...command.job, state: 'done' })
  expect((await begin()).status).toBe(202)
})

it('applies the limit to concurrent requests, and frees a place after a failure', async () => {
  const notes = { fail: false }
  // As long as brokers may need.
  const write = async () => {
    if (notes.fail) throw new RetriableError('planted')
    await new Promise((next) => setTimeout(next, 300))
  }
  const api = modelApi(madeLetters(1, 10), { audit: { write } })
  const begin = () => call(api, 'POST', '/v1/jobs', { kind: 'discard', filter: FILTER })
  notes.fail = true
  for (let i = 0; i < 5; i++) expect((await begin()).status).toBe(503)
  notes.fail = false
  const answers = await Promise.all(Array.from({ length: 150 }, begin))
  expect(answers.filter(({ status }) => status === 202)).toHaveLength(100)
  expect(api.sent).toHaveLength(100)
})

it.each(['', '%20', '+1', '1e0', '0x0', '0.0', '-0', '%EF%BC%90'])(
  'does not accept %j as the number of a partition or a page',
  async (text) => {
    const api = modelApi(madeLetters(2, 10))
    const { status } = await call(api, 'GET', `/v1/letters/normalizer/${text}/0`)
    expect([400, 404]).toContain(status)
    expect((await call(api, 'GET', `/v1/letters?stage=normalizer&limit=${text}`)).status).toBe(400)
    expect(api.noted).toEqual([])
  },
)

const fixUp = { name: 'f' }
it.each([
  ['a filter of no time', { filter: { ...FILTER, from: 5, to: 5 } }, /from/],
  ['a fix-up of what is discarded', { kind: 'discard', fixUp }, /discarded/],
  ['a count of replays of a discard', { kind: 'discard', replaysMax: 2 }, /replaysMax/],
  ['a fix-up of an event', { filter: { stage: 'persistence' }, fixUp }, /persistence/],
  ['a fix-up of a conflict', { filter: { stage: 'dedup', reason: 'key_conflict' }, fixUp }, /key_conflict/],
  ['to set and remove a field', { fixUp: { ...fixUp, set: { a: 1 }, remove: ['a'] } }, /sets and removes a/],
  ['to lose a field', { fixUp: { ...fixUp, rename: { a: 'c', b: 'c' } } }, /would be lost/],
  ['an event key that is none', { filter: { ...FILTER, eventKey: 'xyz' } }, /32 hexadecimal/],
  ['an unknown field', { filters: {} }, /filters/],
])('does not do what cannot be done: %s', async (_, changes, why) => {
  const api = modelApi(madeLetters(1, 10))
  const answer = await call(api, 'POST', '/v1/jobs', { kind: 'replay', filter: FILTER, ...changes })
  expect(answer.status).toBe(400)
  expect(answer.json.error).toMatch(why)
  expect(api.sent).toEqual([])
})

it('responds with 400 to a body with too many levels and to other invalid bodies', async () => {
  const api = modelApi(madeLetters(1, 10))
  const deep = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`
  for (const text of [deep(65), deep(3_000), deep(30_000), '{', 'nul', '[1,]']) {
    const body = `{"kind":"replay","filter":{"stage":"normalizer"},"fixUp":{"name":"f","set":{"a":${text}}}}`
    expect((await call(api, 'POST', '/v1/jobs', body)).status).toBe(400)
  }
  expect((await call(api, 'POST', '/v1/jobs')).status).toBe(400)
  for (const query of ['limit=5', 'format=weir', 'colour=red']) {
    expect((await call(api, 'GET', `/v1/letters/count?stage=normalizer&${query}`)).status).toBe(400)
  }
  put(api.table, jobOf('ended'))
  expect((await call(api, 'POST', '/v1/jobs/ended/cancel')).status).toBe(400)
})

it('reads whole topics for a few requests at a time, and frees the place afterwards', async () => {
  const gate = Promise.withResolvers<undefined>()
  const reader = madeLetters(1, 10)
  const slow = { ...reader, stableOffsets: () => gate.promise.then(() => reader.stableOffsets()) }
  const api = modelApi(slow)
  const asked = Array.from({ length: 4 }, () => call(api, 'GET', '/v1/letters/count?stage=normalizer'))
  await new Promise((next) => setTimeout(next, 50))
  expect((await call(api, 'GET', '/v1/letters/export?stage=normalizer')).status).toBe(429)
  gate.resolve(undefined)
  for (const { status } of await Promise.all(asked)) expect(status).toBe(200)
  for (let i = 0; i < 10; i++) {
    expect((await call(api, 'GET', '/v1/letters/export?stage=normalizer')).status).toBe(200)
  }
})

it('breaks off an export if letters cannot be read, so that it never looks complete', async () => {
  const reader = madeLetters(10, 10)
  const api = modelApi({
    ...reader,
    readRange: async (range, onRecord) => {
      await reader.readRange({ ...range, end: 3n }, onRecord)
      throw new Error('planted')
    },
  })
  await api.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = api.app.server.address() as { port: number }
  const url = `http://127.0.0.1:${port}/v1/letters/export?stage=normalizer`
  const reading = fetch(url, { headers: { authorization: `Bearer ${TOKEN}` } }).then((one) => one.text())
  await expect(reading).rejects.toThrow()
  await api.app.close()
})

it('breaks off an export so that HTTP/1.0, which ends a response with the connection, notices it', async () => {
  const reader = madeLetters(10, 10)
  const begun = Promise.withResolvers<undefined>()
  const api = modelApi({
    ...reader,
    readRange: async (range, onRecord) => {
      await reader.readRange({ ...range, end: 3n }, onRecord)
      await begun.promise
      throw new Error('planted')
    },
  })
  await api.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = api.app.server.address() as { port: number }
  const socket = connect(port, '127.0.0.1')
  const head = `GET /v1/letters/export?stage=normalizer HTTP/1.0\r\nauthorization: Bearer ${TOKEN}\r\n\r\n`
  socket.setEncoding('utf8').write(head)
  let text = ''
  const ended = await new Promise<string>((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
    socket.once('end', () => resolve('end'))
    socket.on('data', (part: string) => {
      text += part
      begun.resolve(undefined)
    })
  })
  expect([text.split(' ', 2)[1], ended]).toEqual(['200', 'ECONNRESET'])
  await api.app.close()
})

const asked = (
  { app }: Api,
  token: string,
  method: 'GET' | 'POST' = 'GET',
  url = '/v1/jobs',
  body?: object,
) =>
  app.inject({
    method,
    url,
    headers: { authorization: `Bearer ${token}` },
    ...(body !== undefined && { payload: body }),
  })

it('lets a viewer read and make dry runs, but change nothing', async () => {
  const api = modelApi(madeLetters(3, 10))
  put(api.table, jobOf('running', { state: 'running' }))
  const job = { kind: 'discard', filter: FILTER }
  const status = async (method: 'GET' | 'POST', url: string, body?: object) =>
    (await asked(api, VIEWER_TOKEN, method, url, body)).statusCode
  for (const url of [
    '/v1/letters?stage=normalizer',
    '/v1/letters/count?stage=normalizer',
    '/v1/letters/export?stage=normalizer',
    '/v1/letters/normalizer/0/1',
    '/v1/jobs',
    '/v1/jobs/running',
  ]) {
    expect([url, await status('GET', url)]).toEqual([url, 200])
  }
  expect(await status('POST', '/v1/jobs', { ...job, dryRun: true })).toBe(200)
  expect(await status('POST', '/v1/jobs', job)).toBe(403)
  expect(await status('POST', '/v1/jobs/running/cancel')).toBe(403)
  expect(api.sent).toEqual([])
  expect((await asked(api, TOKEN, 'POST', '/v1/jobs/running/cancel')).statusCode).toBe(202)
})

it('makes a guesser wait, and never refuses a valid token', async () => {
  const api = modelApi(madeLetters(1, 10))
  for (let i = 0; i < 10; i++) expect((await asked(api, `guess ${i}`)).statusCode).toBe(401)
  const answer = await asked(api, 'guess 10')
  expect([answer.statusCode, Number(answer.headers['retry-after']) > 50]).toEqual([429, true])
  expect((await asked(api, TOKEN)).statusCode).toBe(200)
})

it('refuses an expired token, and tells when a token will expire', async () => {
  const api = modelApi(madeLetters(1, 10))
  expect((await asked(api, 'a token that has expired')).statusCode).toBe(401)
  const soon = await asked(api, 'a token that will expire')
  expect(soon.statusCode).toBe(200)
  expect(Date.parse(String(soon.headers['weir-token-expires']))).toBeGreaterThan(Date.now())
  expect((await asked(api, TOKEN)).headers['weir-token-expires']).toBeUndefined()
})

it('records each read of a body and each change before it happens, without the content', async () => {
  const api = modelApi(madeLetters(3, 10))
  put(api.table, jobOf('running', { state: 'running' }))
  const secret = 'a text of the body'
  await call(api, 'GET', '/v1/letters/normalizer/0/1')
  await call(api, 'GET', '/v1/letters/export?stage=normalizer')
  const fixUp = { name: 'f', replaceText: [{ find: secret, with: 'x' }] }
  await call(api, 'POST', '/v1/jobs', { kind: 'replay', filter: FILTER, fixUp })
  await call(api, 'POST', '/v1/jobs', { kind: 'discard', filter: FILTER })
  await call(api, 'POST', '/v1/jobs/running/cancel')
  const who = { service: 'replay', name: 'ann', role: 'operator', address: '127.0.0.1' }
  expect(api.noted).toMatchObject([
    { what: 'letter.show', who, details: { letter: 'normalizer/0/1' } },
    { what: 'letters.export', who, details: { filter: FILTER, format: 'weir' } },
    { what: 'letters.exported', who, details: { letters: 3 } },
    { what: 'job.replay', who, details: { fixUp: { name: 'f', sha256: expect.any(String) as string } } },
    { what: 'job.discard', who, details: { filter: FILTER } },
    { what: 'job.cancel', who, details: { job: 'running' } },
  ])
  expect(JSON.stringify(api.noted)).not.toContain(secret)
})

it('does nothing that it cannot record', async () => {
  const audit = { write: () => Promise.reject(new RetriableError('planted')) }
  const api = modelApi(madeLetters(3, 10), { audit })
  put(api.table, jobOf('running', { state: 'running' }))
  const approval = { why: ['discard'], expiresAt: Date.now() + 60_000 }
  put(api.table, jobOf('waiting', { state: 'waiting', requestedBy: 'kim', approval }))
  for (const [method, url, body] of [
    ['GET', '/v1/letters/normalizer/0/1', undefined],
    ['GET', '/v1/letters/export?stage=normalizer', undefined],
    ['POST', '/v1/jobs', { kind: 'replay', filter: FILTER }],
    ['POST', '/v1/jobs/running/cancel', undefined],
    ['POST', '/v1/jobs/waiting/approve', undefined],
  ] as const) {
    const answer = await call(api, method, url, body)
    expect([url, answer.status]).toEqual([url, 503])
    expect(answer.text).not.toContain('normalizer')
  }
  expect(api.sent).toEqual([])
})
