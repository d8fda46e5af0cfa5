import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterAll, afterEach, beforeEach, expect, it, vi } from 'vitest'
import { addDlqCommands } from './dlq-commands.ts'

interface Asked {
  readonly method: string
  readonly path: string
  readonly token: string
  readonly body?: Record<string, unknown>
}

const folder = mkdtempSync(join(tmpdir(), 'weir-dlq-'))
let server: Server
let asked: Asked[] = []
let written = ''
let counts = {}
let stays: object[] = []
let job: object = {}
let jobs: object[] = []

/** Stands for the replay service: three letters fit, and a job is done when it is first looked at. */
const answerTo = ({ method, path, body }: Asked): object => {
  if (method === 'POST' && body?.dryRun === true) return { dryRun: true, count: 3, counts, stays }
  if (method === 'POST') return { id: 'job-1' }
  if (path.startsWith('/v1/letters/export')) return { payload: {} }
  if (path.startsWith('/v1/jobs?')) return { jobs }
  return { ...job, counts, stays }
}

beforeEach(async () => {
  asked = []
  written = ''
  counts = { matched: 3, done: 3 }
  stays = []
  job = { state: 'done' }
  jobs = []
  server = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk: Buffer) => (text += chunk.toString()))
    request.on('end', () => {
      const { method = '', url: path = '', headers } = request
      const body = text === '' ? {} : { body: JSON.parse(text) as Record<string, unknown> }
      asked.push({ method, path, token: headers.authorization ?? '', ...body })
      response.end(JSON.stringify(answerTo(asked.at(-1)!)))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  vi.stubEnv('REPLAY_URL', `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  vi.stubEnv('REPLAY_TOKEN', 'a token')
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    written += String(chunk)
    return true
  })
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  server.close()
})
afterAll(() => rmSync(folder, { recursive: true }))

const dlq = async (...args: string[]): Promise<void> => {
  const program = new Command()
  addDlqCommands(program)
  await program.parseAsync(['dlq', ...args], { from: 'user' })
}

it('counts matching letters, starts the job with its filter, rate and fix-up, and reports its end', async () => {
  const fixUp = join(folder, 'fix-up.yaml')
  writeFileSync(fixUp, 'name: four\nset: { schemaVersion: "4" }\n')
  await dlq('replay', 'normalizer', '--reason', 'unmappable', '--rate', '20', '--fix-up', fixUp)
  const filter = { stage: 'normalizer', reason: 'unmappable' }
  const job = {
    kind: 'replay',
    filter,
    ratePerSec: 20,
    replaysMax: 3,
    fixUp: { name: 'four', set: { schemaVersion: '4' } },
  }
  expect(asked.map(({ method, path, body }) => ({ method, path, body }))).toEqual([
    { method: 'POST', path: '/v1/jobs', body: { ...job, dryRun: true } },
    { method: 'POST', path: '/v1/jobs', body: job },
    { method: 'GET', path: '/v1/jobs/job-1', body: undefined },
  ])
  expect(new Set(asked.map(({ token }) => token))).toEqual(new Set(['Bearer a token']))
  expect(written).toBe('job job-1 is done: {"matched":3,"done":3}\n')
})

it('reports why letters stay', async () => {
  counts = { matched: 3, done: 0, guarded: 1, unusable: 2 }
  stays = [{ letter: 'dedup/1/7', why: 'the body is malformed: give a fix-up' }]
  await dlq('replay', 'dedup')
  expect(written.split('\n').slice(1)).toEqual([
    '1 stay: they were returned too often (--replays-max)',
    '2 stay: they cannot be returned as they are (weir dlq show, --fix-up)',
    '  dedup/1/7: the body is malformed: give a fix-up',
    '  and 1 more',
    '',
  ])
})

it('changes nothing in a dry run', async () => {
  await dlq('discard', 'dedup', '--source', 'nice', '--dry-run')
  expect(asked.map(({ body }) => body)).toEqual([
    { kind: 'discard', filter: { stage: 'dedup', source: 'nice' }, dryRun: true },
  ])
  expect(written).toBe('3 letters match\n')
})

it('reports in a dry run which letters a fix-up does not cure', async () => {
  counts = { matched: 3, done: 1, guarded: 0, unusable: 2 }
  stays = [{ letter: 'dedup/1/7', why: 'the body is not a JSON object after the fix-up' }]
  await dlq('replay', 'dedup', '--dry-run')
  expect(written.split('\n')).toEqual([
    '3 letters match',
    '2 stay: they cannot be returned as they are (weir dlq show, --fix-up)',
    '  dedup/1/7: the body is not a JSON object after the fix-up',
    '  and 1 more',
    '',
  ])
})

it('discards a whole stage only after a confirmation', async () => {
  await expect(dlq('discard', 'dedup')).rejects.toThrow(/every pending letter of dedup.*--yes/)
  expect(asked).toEqual([])
  await dlq('discard', 'dedup', '--yes')
  expect(asked.at(1)?.body).toEqual({ kind: 'discard', filter: { stage: 'dedup' } })
})

it('does not wait for a job that another operator must approve, and approves a job that it has shown', async () => {
  const approval = { why: ['fix-up'], expiresAt: Date.parse('2027-01-31T12:00:00Z') }
  const fixUp = { name: 'four', set: { schemaVersion: '4' } }
  job = { state: 'waiting', requestedBy: 'ann', approval, fixUp, kind: 'replay', letters: 3 }
  await dlq('replay', 'dedup')
  expect(written).toBe(
    'job job-1 waits until 2027-01-31T12:00:00.000Z (fix-up): another operator approves it with weir dlq approve job-1\n',
  )
  await expect(dlq('approve', 'job-1')).rejects.toThrow(/--yes/)
  expect(asked.some(({ path }) => path.endsWith('/approve'))).toBe(false)
  written = ''
  const approving = dlq('approve', 'job-1', '--yes')
  await vi.waitFor(() => expect(asked.at(-2)?.path).toBe('/v1/jobs/job-1/approve'))
  job = { state: 'done', approval: { ...approval, by: 'bob' } }
  await approving
  expect(JSON.parse(written.slice(0, written.indexOf('\n}') + 2))).toMatchObject({
    requestedBy: 'ann',
    fixUp,
    letters: 3,
  })
  expect(written).toContain('job job-1 is done')
})

it('shows who has approved each job', async () => {
  const approval = { why: ['over:5'], expiresAt: 0 }
  jobs = [
    { id: 'a', state: 'waiting', approval },
    { id: 'b', state: 'done', approval: { ...approval, by: 'bob' } },
    { id: 'c', state: 'cancelled', approval },
    { id: 'd', state: 'done' },
  ]
  await dlq('jobs')
  for (const line of [
    /^a .*waits until 1970-01-01T00:00:00.000Z \(over:5\)/m,
    /^b .* by bob/m,
    /^c .*by nobody/m,
  ])
    expect(written).toMatch(line)
  expect(written.split('\n')[4]).not.toMatch(/ by /)
})

it('exports in the requested form', async () => {
  await dlq('export', 'dedup', '--format', 's0', '--to', '2026-01-31T00:00:00Z')
  const { pathname, searchParams } = new URL(asked[0]!.path, 'http://replay')
  expect([pathname, Object.fromEntries(searchParams)]).toEqual([
    '/v1/letters/export',
    { stage: 'dedup', to: '2026-01-31T00:00:00Z', format: 's0' },
  ])
  expect(written).toBe('{"payload":{}}')
})
