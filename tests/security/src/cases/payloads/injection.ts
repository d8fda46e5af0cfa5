import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { activeIn, HOSTILE_TEXTS } from '../../hostile-texts.ts'
import { runWeir, type Ended } from '../../run-weir.ts'
import type { Rig } from '../../rig/rig.ts'
import { securityCase, type SecurityCase } from '../../security-case.ts'
import { bodyOf, freshId, signedHeaders } from '../../source-under-test.ts'

const TEXTS = Object.values(HOSTILE_TEXTS)
const ALL = TEXTS.join(' ')
/** What an argument of a program can hold: UTF-8, and no zero byte. */
const ARGUMENT = TEXTS.filter((text) => text.isWellFormed()).join(' ')

const LETTERS = TEXTS.map((text, offset) => ({
  stage: 'normalizer',
  partition: 0,
  offset,
  lastFailedAt: 0,
  status: text,
  reason: text,
  source: text,
  key: `${text}|${text}`,
  fingerprint: text,
  error: text,
  eventKey: text,
}))
const STAYS = TEXTS.map((text) => ({ letter: text, why: text }))
const COUNTS = { matched: 1, done: 1, guarded: 0, unusable: TEXTS.length }

/** Says whatever a replay service may have been told by payloads. */
const answerTo = (method: string, path: string): unknown => {
  if (path.startsWith('/v1/letters/export')) return { source: ALL, body: ALL }
  if (/^\/v1\/letters\/\w+\/\d/.test(path)) return { ...LETTERS[0], error: ALL, preview: ALL }
  if (path.startsWith('/v1/letters')) return { letters: LETTERS }
  if (path.startsWith('/v1/jobs/refused')) return { error: ALL }
  if (method === 'POST') return { id: 'job-1', count: 1, counts: COUNTS, stays: STAYS }
  if (/^\/v1\/jobs(\?|$)/.test(path)) {
    return {
      jobs: TEXTS.map((text) => ({
        id: text,
        kind: text,
        state: text,
        requestedBy: text,
        filter: { key: text },
      })),
    }
  }
  return { state: 'done', counts: COUNTS, stays: STAYS }
}

const withServer = async <T>(use: (url: string) => Promise<T>): Promise<T> => {
  const server: Server = createServer((request, response) => {
    request.resume()
    const { method = '', url = '' } = request
    response.writeHead(url.includes('refused') ? 400 : 200).end(JSON.stringify(answerTo(method, url)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  } finally {
    server.close()
  }
}

const weir = (args: readonly string[]): Promise<Ended> =>
  withServer((url) =>
    runWeir('cli/src/main.ts', args, {
      WEIR_PROFILE: 'dev',
      REPLAY_URL: url,
      REPLAY_TOKEN: 't'.repeat(32),
      KAFKA_BROKERS: '127.0.0.1:1',
    }),
  )

const said = ({ stdout, stderr }: Ended): string => {
  const active = [...activeIn(stdout), ...activeIn(stderr)]
  return active.length === 0 ? 'nothing acts' : active.join(' ')
}

/** `lines`: how many of stdout there may be; a call that is refused ends with 2. */
const commandRow = (
  args: readonly string[],
  lines?: number,
  code = 0,
  name = `weir ${args.join(' ')}`,
): SecurityCase =>
  securityCase(
    `injection: ${name}`,
    `code ${code}, nothing acts${lines === undefined ? '' : `, ${lines} lines`}`,
    async () => {
      const ended = await weir(args)
      const shown = ended.stdout.trimEnd().split('\n').length
      if (ended.stdout === '' && ended.stderr === '') return `code ${ended.code}, nothing was said`
      return `code ${ended.code}, ${said(ended)}${lines === undefined ? '' : `, ${shown} lines`}`
    },
  )

/** Each text in a field and as an id, and once more as a body that is malformed. */
const sendHostile = async (rig: Rig): Promise<void> => {
  const { strict } = rig.sources
  for (const text of TEXTS) {
    const json = JSON.stringify(text)
    const bodies = [
      bodyOf(strict, { more: `"message":${json}` }),
      bodyOf(strict, { id: JSON.parse(JSON.stringify(freshId())) as string, more: `${json}:${json}` }),
      Buffer.from(`{${text}`),
      Buffer.from(JSON.stringify({ [text]: text })),
    ]
    for (const raw of bodies) {
      const headers = signedHeaders(strict, raw)
      await rig.ingress.send({ path: strict.path, headers, raw })
    }
    await rig.ingress.send({
      path: `/webhooks/${encodeURIComponent(text.toWellFormed())}`,
      headers: [],
      raw: Buffer.from('{}'),
    })
  }
}

export const injectionCases = (): readonly SecurityCase[] => [
  commandRow(['dlq', 'ls', 'normalizer'], TEXTS.length + 1),
  commandRow(['dlq', 'ls', 'normalizer', '--json']),
  commandRow(['dlq', 'show', 'normalizer', '0/0']),
  commandRow(['dlq', 'export', 'normalizer'], 1),
  commandRow(['dlq', 'jobs'], TEXTS.length + 1),
  commandRow(['dlq', 'jobs', '--json']),
  commandRow(['dlq', 'replay', 'normalizer', '--dry-run'], TEXTS.length + 2),
  commandRow(['dlq', 'replay', 'normalizer'], TEXTS.length + 2),
  commandRow(['dlq', 'cancel', 'refused'], undefined, 2),
  commandRow(['schema', 'ls', '--held'], TEXTS.length + 1),
  commandRow(['dlq', 'show', 'normalizer', ARGUMENT], undefined, 2, 'weir dlq show with all of them'),
  securityCase('injection: lines of the log of ingress and dedup', 'nothing acts', async (rig) => {
    await sendHostile(rig)
    const logs = (['ingress', 'dedup'] as const).map((name) =>
      readFileSync(rig.processOf(name).logFile, 'utf8'),
    )
    if (!logs.every((text) => text.includes('"msg":'))) return 'no log'
    return said({ code: 0, stdout: logs[0]!, stderr: logs[1]! })
  }),
]
