import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, Metrics } from '@weir/runtime'
import { createVerifier, RequestHeaders, SOURCES } from '@weir/sources'
import { readTruth, TruthLedger } from '@weir/truth'
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest'
import { loadConfig } from './config.ts'
import { Plan } from './plan.ts'
import { Sender } from './sender.ts'
import { startSimulator } from './start.ts'

const SECRET = 'a secret of the tests'
let truthDir = ''
beforeEach(() => {
  truthDir = mkdtempSync(join(tmpdir(), 'weir-simulator-'))
})
afterEach(() => rmSync(truthDir, { recursive: true, force: true }))

const configure = (env: Record<string, string> = {}) =>
  loadConfig({
    SOURCE_CXONE_SECRETS: SECRET,
    SOURCE_CXONE_DATAACTION_SECRETS: SECRET,
    SOURCE_NICE_SECRETS: SECRET,
    SIMULATOR_PROBE_PORT: '0',
    TRUTH_DIR: truthDir,
    ...env,
  })

const shipments = (count: number, env: Record<string, string> = {}) => {
  const plan = new Plan(configure(env), 'run')
  return Array.from({ length: count }, (_, i) => plan.next(1_700_000_000_000 + i * 2))
}

it('sends the same for the same seed, and different payloads for another seed', () => {
  const bodies = (env?: Record<string, string>) => shipments(300, env).map(({ raw }) => raw.toString())
  expect(bodies()).toEqual(bodies())
  expect(bodies({ SIMULATOR_SEED: '2' })).not.toEqual(bodies())
})

it('sends events of every source with the configured share of repeats, some of them late', () => {
  const all = shipments(20_000, { SIMULATOR_LATE_AFTER_SECS: '5' })
  expect(new Set(all.map(({ operation }) => operation.source)).size).toBe(SOURCES.length)
  const seen = new Map<string, number>()
  let repeats = 0
  let late = 0
  for (const [index, { operation }] of all.entries()) {
    const first = seen.get(operation.rawHash)
    if (first === undefined) seen.set(operation.rawHash, index)
    else repeats += 1
    if (first !== undefined && index - first >= 2_400) late += 1
  }
  expect(repeats / all.length).toBeGreaterThan(0.17)
  expect(repeats / all.length).toBeLessThan(0.22)
  expect(late / repeats).toBeGreaterThan(0.35)
  const kinds = Map.groupBy(all, ({ operation }) => operation.kind)
  expect(kinds.get('malformed')!.length).toBeGreaterThan(100)
  expect(kinds.get('forged')!.length).toBeGreaterThan(100)
})

it('lets payloads drift as configured, and keeps the identity of each event', () => {
  const drifted = (env: Record<string, string>) =>
    shipments(4_000, { SIMULATOR_DUPLICATES: '0', ...env })
      .filter(({ operation }) => operation.kind === 'event')
      .map(({ raw }) => JSON.parse(raw.toString()) as Record<string, unknown>)
  const kinds = (bodies: readonly Record<string, unknown>[]) => ({
    versions: new Set(bodies.flatMap(({ schemaVersion }) => schemaVersion ?? [])).size,
    extended: bodies.filter((body) => Object.keys(body).some((name) => name.startsWith('extension_'))).length,
    moved: bodies.filter(
      ({ agent, data }) => agent ?? (data as Record<string, unknown> | undefined)?.participants,
    ).length,
    retyped: bodies.filter(({ direction }) => direction !== undefined && typeof direction !== 'string')
      .length,
    poisoned: bodies.filter(({ long, nested, texts }) => long ?? nested ?? texts).length,
  })
  expect(kinds(drifted({}))).toEqual({ versions: 0, extended: 0, moved: 0, retyped: 0, poisoned: 0 })
  const found = kinds(drifted({ SIMULATOR_DRIFT: '1' }))
  expect(found.versions).toBe(5)
  for (const count of [found.extended, found.moved, found.retyped, found.poisoned]) {
    expect(count).toBeGreaterThan(5)
  }
})

it('signs like the providers, except for forged requests', () => {
  for (const { operation, headers, raw } of shipments(2_000)) {
    const { verifier } = SOURCES.find(({ name }) => name === operation.source)!
    if (verifier.kind !== 'hmac') continue
    const verdict = createVerifier(verifier, [SECRET])(RequestHeaders.of(headers), raw, Date.now())
    expect(verdict.kind).toBe(operation.kind === 'forged' ? 'invalid' : 'valid')
  }
})

const freePort = async (): Promise<number> => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** An ingress for tests that responds by `respond`, and the bodies that it received. */
const startIngress = async (respond: () => number) => {
  const came: { readonly body: Record<string, unknown>; readonly request: IncomingMessage }[] = []
  const server = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk: Buffer) => (text += chunk.toString()))
    request.on('end', () => {
      came.push({ body: JSON.parse(text) as Record<string, unknown>, request })
      response.writeHead(respond()).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { came, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

it('S2-09 generates an interaction of the requested channel, reports its delivery, and records it', async () => {
  let status = 200
  const { came, url } = await startIngress(() => status)
  const port = await freePort()
  const service = await startSimulator(
    configure({
      SIMULATOR_TARGET_URL: url,
      SIMULATOR_RATE: '0.1',
      SIMULATOR_PROBE_PORT: String(port),
      PROBE_HOST: '127.0.0.1',
    }),
    { logger: createLogger('test', 'silent'), metrics: new Metrics('test') },
  )
  const generate = async (query = '') => {
    const answer = await fetch(`http://127.0.0.1:${port}/simulator/generate${query}`, { method: 'POST' })
    return { status: answer.status, body: (await answer.json()) as Record<string, string> }
  }
  await expect(fetch(`http://127.0.0.2:${port}/livez`)).rejects.toThrow()
  const expected = {
    '': { channelType: 'voice', queue: { name: expect.any(String) as string } },
    '?channel=chat': { channelType: 'chat', skill: { name: expect.any(String) as string } },
    '?channel=sms': { channelType: 'sms', message: { body: expect.any(String) as string } },
  }
  for (const [query, data] of Object.entries(expected)) {
    const answer = await generate(query)
    expect(answer).toEqual({
      status: 200,
      body: { status: 'delivered', payloadId: expect.any(String) as string },
    })
    expect(answer.body.payloadId).toMatch(/^sim-[0-9a-f-]{36}$/)
    expect(came.at(-1)!.body).toMatchObject({
      webhookId: 'sim-webhook-001',
      eventType: 'interaction.created',
      data: { ...data, id: answer.body.payloadId, direction: 'inbound' },
    })
    expect(came.at(-1)!.request.headers).toHaveProperty('x-cxone-signature')
  }
  expect((await generate('?channel=fax')).status).toBe(400)
  status = 503
  expect(await generate()).toEqual({
    status: 500,
    body: { status: 'failed', error: 'ingress did not confirm it' },
  })
  await service.stop()
  const results = readTruth(truthDir).map(({ result }) => result)
  expect(results.sort()).toEqual(['acked', 'acked', 'acked', 'unknown'])
})

it('records every request before it sends it, and retries after a bad response', async () => {
  let requests = 0
  let unnoted = 0
  const respond = (request: IncomingMessage, response: ServerResponse): void => {
    requests += 1
    if (readTruth(truthDir).length < requests) unnoted += 1
    request.resume().on('end', () => {
      if (requests % 10 === 3) request.socket.destroy()
      else response.writeHead(requests % 10 === 7 ? 503 : 200).end()
    })
  }
  const server = createServer(respond)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const config = configure({
    SIMULATOR_TARGET_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    SIMULATOR_RATE: '200',
    SIMULATOR_FOR_SECS: '1',
  })
  const service = await startSimulator(config, {
    logger: createLogger('test', 'silent'),
    metrics: new Metrics('test'),
  })
  await service.finished
  const counts = service.counts()
  await service.stop()
  server.close()
  const truth = readTruth(truthDir)
  expect(unnoted).toBe(0)
  expect(truth).toHaveLength(requests)
  expect(counts.sent).toBe(requests)
  expect(counts.unknown).toBeGreaterThan(10)
  const acked = new Set(truth.filter(({ result }) => result === 'acked').map(({ rawHash }) => rawHash))
  expect(truth.filter(({ rawHash }) => !acked.has(rawHash))).toEqual([])
}, 60_000)

it('sends nothing after it is closed: the result of requests in flight is unknown', async () => {
  const arrived = Promise.withResolvers<undefined>()
  const server = createServer(() => arrived.resolve(undefined))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const ledger = TruthLedger.open(truthDir, 'run')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const sender = new Sender(url, ledger, createLogger('test', 'silent'))
  sender.send(shipments(1))
  await arrived.promise
  await sender.close()
  ledger.close()
  await sender.drain(60_000)
  expect(sender.counts).toMatchObject({ sent: 1, unknown: 1 })
})

it('reports requests that ingress wrongly refuses, and retries when ingress asks for it', async () => {
  let status = 404
  const ingress = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(status).end())
  })
  await new Promise<void>((resolve) => ingress.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(ingress.address() as AddressInfo).port}`
  const ledger = TruthLedger.open(truthDir, 'run')
  const sender = new Sender(url, ledger, createLogger('test', 'silent'))
  onTestFinished(async () => {
    await sender.close()
    ledger.close()
    ingress.close()
  })
  const good = shipments(60).filter(({ operation }) => !['forged', 'malformed'].includes(operation.kind))
  const forged = shipments(2_000).filter(({ operation }) => operation.kind === 'forged')
  for (const one of forged.slice(0, 3)) expect(await sender.deliver(one)).toBe('refused')
  expect([sender.counts.mismatches, sender.mismatches()]).toEqual([0, []])
  for (const one of good.slice(0, 5)) expect(await sender.deliver(one)).toBe('refused')
  expect(sender.counts).toMatchObject({ accepted: 0, refused: 3, mismatches: 5 })
  expect(sender.mismatches().join()).toMatch(/\d requests of \S+ got status 404/)
  for (status of [408, 425, 429, 500, 503]) expect(await sender.deliver(good[5]!)).toBe('unknown')
  expect(sender.counts.mismatches).toBe(5)
})
