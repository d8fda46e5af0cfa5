import { expect, it } from 'vitest'
import { APPROVAL_MS_MAX, parseApprovals } from './approvals.ts'
import { encodeJson, jobRequest, NO_COUNTS, type Job } from './job.ts'
import { jobKey } from './job-table.ts'
import { madeLetters, modelApi, OTHER_TOKEN, TOKEN, VIEWER_TOKEN } from '../testing/model-api.ts'

const FIX_UP = { name: 'f', replaceText: [{ find: 'a text of the body', with: 'x' }] }
const REPLAY = { kind: 'replay', filter: { stage: 'normalizer' } }
const LETTERS = 20

const apiWith = (...entries: readonly string[]) =>
  modelApi(madeLetters(LETTERS, 10), { approvals: parseApprovals(entries) })
type Api = ReturnType<typeof apiWith>

const post = async ({ app }: Api, url: string, body?: object, token = TOKEN) => {
  const response = await app.inject({
    method: 'POST',
    url,
    headers: { authorization: `Bearer ${token}` },
    ...(body !== undefined && { payload: body }),
  })
  return { status: response.statusCode, json: JSON.parse(response.body) as Record<string, unknown> }
}

const waiting = (changes: Partial<Job> = {}): Job => ({
  ...jobRequest.parse({ ...REPLAY, fixUp: FIX_UP }),
  id: 'job',
  requestedBy: 'ann',
  requestedAt: Date.now(),
  state: 'waiting',
  cursor: {},
  end: {},
  counts: NO_COUNTS,
  letters: 7,
  approval: { why: ['fix-up'], expiresAt: Date.now() + 60_000 },
  finishedAt: null,
  ...changes,
})
const put = ({ table }: Api, job: Job): void => table.apply(jobKey(job.id), encodeJson(job))

it.each([
  [['fix-up'], { ...REPLAY, fixUp: FIX_UP }, ['fix-up']],
  [['fix-up'], REPLAY, undefined],
  [['discard'], { ...REPLAY, kind: 'discard' }, ['discard']],
  [['discard'], REPLAY, undefined],
  [[`over:${LETTERS}`], REPLAY, undefined],
  [[`over:${LETTERS - 1}`], REPLAY, [`over:${LETTERS - 1}`]],
  [['over:0'], { ...REPLAY, filter: { ...REPLAY.filter, reason: 'schema_violation' } }, undefined],
  // Letters that are pending now may have been replayed when it runs.
  [['over:5'], { ...REPLAY, filter: { ...REPLAY.filter, status: 'replayed' } }, ['over:5']],
  [['fix-up', 'over:1'], { ...REPLAY, fixUp: FIX_UP }, ['fix-up', 'over:1']],
])('with %j the job %j needs an approval for %j', async (entries, body, why) => {
  const api = apiWith(...entries)
  const { status, json } = await post(api, '/v1/jobs', body)
  expect([status, (json.approval as { why?: string[] } | undefined)?.why]).toEqual([202, why])
  // Only this version runs it, even when it needs none: an older one would take letters that nobody counted.
  expect(api.sent).toMatchObject([
    { kind: 'propose', job: { end: { 0: String(LETTERS) }, requestedBy: 'ann' } },
  ])
  const [command] = api.sent
  const approval = command?.kind === 'propose' ? command.job.approval : undefined
  expect(approval?.why).toEqual(why)
  if (approval !== undefined) expect(approval.expiresAt - Date.now()).toBeLessThanOrEqual(APPROVAL_MS_MAX)
  expect(api.noted.map(({ details }) => (details.approval as { why: string[] } | undefined)?.why)).toEqual([
    why,
  ])
})

it('neither asks for an approval nor counts letters if no approvals are set', async () => {
  const api = apiWith()
  expect(await post(api, '/v1/jobs', { ...REPLAY, kind: 'discard' })).toEqual({
    status: 202,
    json: { id: expect.any(String) as string },
  })
  expect(api.sent).toMatchObject([{ kind: 'create', job: { end: {} } }])
})

it('lets another operator approve, and records who approved what, without the content', async () => {
  const api = apiWith('fix-up')
  put(api, waiting())
  expect((await post(api, '/v1/jobs/job/approve', undefined, OTHER_TOKEN)).status).toBe(202)
  expect(api.sent).toEqual([
    { kind: 'approve', id: 'job', by: 'kim', requestedAt: expect.any(Number) as number },
  ])
  expect(api.noted).toMatchObject([
    {
      what: 'job.approve',
      who: { name: 'kim' },
      details: {
        job: 'job',
        kind: 'replay',
        requestedBy: 'ann',
        filter: REPLAY.filter,
        letters: 7,
        fixUp: { name: 'f', sha256: expect.any(String) as string },
      },
    },
  ])
  expect(JSON.stringify(api.noted)).not.toContain('a text of the body')
})

it('records an approved fix-up with the hash of the request, including exact numbers and unusual names', async () => {
  const api = apiWith('fix-up')
  const set = '{"b":1.10,"n":12345678901234567890123,"10":-0,"2":1e3,"__proto__":{"z":[1.0]},"a":"\\u2028"}'
  const payload = `{"kind":"replay","fixUp":{"remove":["x"],"set":${set},"name":"f"},"filter":{"stage":"normalizer"}}`
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  expect((await api.app.inject({ method: 'POST', url: '/v1/jobs', headers, payload })).statusCode).toBe(202)
  const [command] = api.sent
  if (command?.kind !== 'propose') throw new Error('it was not proposed')
  put(api, command.job)
  expect((await post(api, `/v1/jobs/${command.job.id}/approve`, undefined, OTHER_TOKEN)).status).toBe(202)
  const [asked, approved] = api.noted
  expect(approved!.details.fixUp).toEqual(asked!.details.fixUp)
})

it.each([
  ['who asked for it', {}, TOKEN, 403, /another name/],
  ['who asked for it, in other letters', { requestedBy: 'KIM' }, OTHER_TOKEN, 403, /another name/],
  ['a viewer', {}, VIEWER_TOKEN, 403, /may only read/],
  ['nobody', {}, 'a token that nobody has', 401, /Unauthorized/],
  ['another, too late', { approval: { why: ['fix-up'], expiresAt: 5 } }, OTHER_TOKEN, 400, /too long/],
  ['another, twice', { state: 'running' }, OTHER_TOKEN, 400, /is running/],
  ['another, after its end', { state: 'cancelled' }, OTHER_TOKEN, 400, /is cancelled/],
  ['another, without need', { approval: undefined }, OTHER_TOKEN, 400, /no approval/],
  ['another, of another job', { id: 'other' }, OTHER_TOKEN, 404, /Not found/],
] as const)('is not approved by %s', async (_, changes, token, status, why) => {
  const api = apiWith('fix-up')
  put(api, waiting(changes))
  const answer = await post(api, '/v1/jobs/job/approve', undefined, token)
  expect(answer).toEqual({ status, json: { error: expect.stringMatching(why) as string } })
  expect([api.sent, api.noted]).toEqual([[], []])
})

it('is approved as it was read: not a later job that has taken its id', async () => {
  const api = apiWith('fix-up')
  put(api, waiting({ requestedAt: 5 }))
  const later = await post(api, '/v1/jobs/job/approve', { requestedAt: 4 }, OTHER_TOKEN)
  expect(later).toEqual({
    status: 400,
    json: { error: expect.stringMatching(/this id now belongs to another job/) as string },
  })
  expect([api.sent, api.noted]).toEqual([[], []])
  expect((await post(api, '/v1/jobs/job/approve', { requestedAt: 5 }, OTHER_TOKEN)).status).toBe(202)
  expect(api.sent).toMatchObject([{ kind: 'approve', requestedAt: 5 }])
})

it('refuses a request that claims to be approved', async () => {
  const api = apiWith('discard')
  for (const more of [
    { approval: { why: [], expiresAt: 0, by: 'kim' } },
    { letters: 0 },
    { end: {} },
    { requestedBy: 'kim' },
  ])
    expect((await post(api, '/v1/jobs', { ...REPLAY, ...more })).status).toBe(400)
  expect(api.sent).toEqual([])
})
