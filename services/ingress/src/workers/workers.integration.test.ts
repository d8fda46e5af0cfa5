import { readFileSync } from 'node:fs'
import { Agent, request, type IncomingHttpHeaders } from 'node:http'
import { decodeReceivedWebhook, TOPIC_SPECS, topicNames } from '@weir/contracts'
import { ensureTopics, openTopicReader } from '@weir/kafka'
import { freePorts, startServiceProcess, type ServiceProcess } from '@weir/local-stack'
import { createLogger } from '@weir/runtime'
import { signedHeaders, SOURCES } from '@weir/sources'
import { isolatedFolders, isolatedKafka } from '@weir/testkit'
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest'

/** Two workers behind one port, as a process of their own. */
const SECRET = 'a secret of the tests'
const settings = isolatedKafka('workers')
const CALL_MS_MAX = 2_000
/** What was answered with 200, by interaction. */
const accepted: string[] = []
let ingress: ServiceProcess
let port = 0

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

const call = (method: string, path: string, body = '', headers: Record<string, string> = {}, agent?: Agent) =>
  new Promise<Answer>((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, method, path, headers, agent: agent ?? false, timeout: CALL_MS_MAX },
      (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
        response.on('end', () =>
          resolve({ status: response.statusCode!, headers: response.headers, body: text }),
        )
      },
    )
    sent.on('error', reject)
    // A connection that was on its way to a worker when that died has no owner.
    sent.on('timeout', () => sent.destroy(new Error('no answer')))
    sent.end(body)
  })

const bodyOf = (n: number): string =>
  `{"interactionId":"i-${n}","eventType":"CALL_CONNECTED","sequenceNumber":1}`

const headersOf = (body: string): Record<string, string> => {
  const { verifier } = SOURCES.find(({ name }) => name === 'cxone')!
  const signed = verifier.kind === 'hmac' ? signedHeaders(verifier, SECRET, Buffer.from(body)) : {}
  return { 'content-type': 'application/json', ...signed }
}

/** On a connection of its own, so that workers take turns; or on the agent's. */
const post = async (n: number, agent?: Agent): Promise<Answer> => {
  const answer = await call('POST', '/webhooks/cxone', bodyOf(n), headersOf(bodyOf(n)), agent)
  if (answer.status === 200) accepted.push(`i-${n}`)
  return answer
}

const metric = async (line: string): Promise<number> => {
  const { body } = await call('GET', '/metrics')
  return Number(
    body
      .split('\n')
      .find((one) => one.startsWith(line))
      ?.split(' ')
      .at(-1) ?? Number.NaN,
  )
}

const workerPids = ({ pid }: ServiceProcess = ingress): readonly number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number)

const env = (at: number) => ({
  WEIR_PROFILE: 'dev',
  INGRESS_WORKERS: '2',
  INGRESS_HOST: '127.0.0.1',
  INGRESS_PORT: String(at),
  KAFKA_BROKERS: settings.kafkaBrokers.join(','),
  TOPIC_PREFIX: settings.topicPrefix,
  TOPIC_PARTITIONS: String(settings.topicPartitions),
  SOURCE_CXONE_SECRETS: SECRET,
  INGRESS_DRAIN_MS: '500',
})

const start = (at: number) =>
  startServiceProcess({ folders: isolatedFolders('workers'), name: 'ingress', port: at, env: env(at) })

beforeAll(async () => {
  const logger = createLogger('test', 'silent')
  await ensureTopics({ settings, logger, specs: TOPIC_SPECS, replicationFactor: 1, minInsyncReplicas: 1 })
  port = (await freePorts(1))[0]!
  ingress = start(port)
  await ingress.untilReady()
})

afterAll(() => ingress.stop())

it('share the port, and the metrics cover both', async () => {
  await vi.waitFor(async () => expect((await call('GET', '/readyz')).status).toBe(200), { timeout: 10_000 })
  const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => post(n)))
  expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200))
  expect(workerPids()).toHaveLength(2)
  expect(await metric('weir_ingress_requests_total{source="cxone",status="200"')).toBe(20)
})

it('refuse to start if the port is in use', async () => {
  const second = start(port)
  expect((await second.exited).code).toBe(1)
  expect((await call('GET', '/livez')).status).toBe(200)
})

it('are restarted when one dies, readiness reports it, and the other continues', async () => {
  const [victim = 0] = workerPids()
  const restarts = await metric('weir_ingress_worker_restarts_total')
  const unready: string[] = []
  // None waits for another: one that was on its way to the victim has no answer until its time is over.
  const asking = setInterval(() => {
    void call('GET', '/readyz').then(
      ({ status, body }) => status === 503 && unready.push(body),
      () => undefined,
    )
  }, 10)
  onTestFinished(() => clearInterval(asking))
  process.kill(victim, 'SIGKILL')
  await vi.waitFor(() => expect(unready.join()).toMatch(/worker \d/), { timeout: 10_000 })
  clearInterval(asking)
  await vi.waitFor(async () => expect((await call('GET', '/readyz')).status).toBe(200), { timeout: 20_000 })
  expect(workerPids()).toHaveLength(2)
  expect(workerPids()).not.toContain(victim)
  expect(await metric('weir_ingress_worker_restarts_total')).toBe(restarts + 1)
  const answers = await Promise.all([100, 101, 102, 103].map((n) => post(n)))
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
})

it('end the service when they die repeatedly', async () => {
  const other = start((await freePorts(1))[0]!)
  onTestFinished(() => other.stop())
  await other.untilReady()
  const killed = new Set<number>()
  const killNew = (): boolean => {
    if (other.exit() !== undefined) return true
    for (const pid of workerPids(other).filter((one) => !killed.has(one))) {
      killed.add(pid)
      process.kill(pid, 'SIGKILL')
    }
    return false
  }
  await vi.waitUntil(killNew, { timeout: 60_000, interval: 20 })
  expect((await other.exited).code).toBe(1)
  expect(killed.size).toBeGreaterThanOrEqual(5)
})

it('drain together: unready first, then connections close, and every webhook with a 200 is stored', async () => {
  const agents = Array.from({ length: 4 }, () => new Agent({ keepAlive: true, maxSockets: 1 }))
  const kept = await Promise.all(agents.map((agent, n) => post(200 + n, agent)))
  expect(kept.map(({ headers }) => headers.connection)).toEqual(Array(4).fill('keep-alive'))
  const ended = ingress.stop()
  await vi.waitFor(async () => expect((await call('GET', '/readyz')).body).toContain('stopping'), {
    interval: 10,
  })
  for (let n = 300, closing = 0; closing < agents.length; n++) {
    const answers = await Promise.all(agents.map((agent) => post(n, agent).catch(() => undefined)))
    closing = answers.filter((answer) => answer?.headers.connection !== 'keep-alive').length
  }
  await ended
  expect(await ingress.exited).toEqual({ code: 0, signal: null })
  const reader = await openTopicReader(settings, topicNames(settings.topicPrefix).received)
  const written = new Set<string>()
  await reader.readToEnd((records) => {
    for (const record of records) written.add(decodeReceivedWebhook(record).interactionId)
  })
  await reader.close()
  expect(accepted.filter((id) => !written.has(id))).toEqual([])
})
