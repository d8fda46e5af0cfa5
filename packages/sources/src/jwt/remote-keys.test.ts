import { generateKeyPairSync } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { RemoteKeys } from './remote-keys.ts'

const jwksOf = (kid: string) => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  return JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid }] })
}
const [A, B] = [jwksOf('a'), jwksOf('b')]

/** A publisher, a clock, and what was asked. */
const publisher = () => {
  const state = { body: A, status: 200, now: 0, asked: 0 }
  const fetch = () => {
    state.asked += 1
    return Promise.resolve(new Response(state.body, { status: state.status }))
  }
  const keys = new RemoteKeys('https://k.example', ['ES256'], { fetch, clock: () => state.now })
  const kids = async () => (await keys.keys()).map(({ kid }) => kid)
  return { state, keys, kids }
}

it('fetches once for many requests, and again when the keys are old, which are used meanwhile', async () => {
  const { state, kids } = publisher()
  await Promise.all([kids(), kids(), kids()])
  expect(state.asked).toBe(1)
  state.body = B
  state.now = 599_999
  expect(await kids()).toEqual(['a'])
  expect(state.asked).toBe(1)
  state.now = 600_000
  expect(await kids()).toEqual(['a'])
  expect(state.asked).toBe(2)
  await expect.poll(kids).toEqual(['b'])
})

it('fetches at most once in 30 seconds for unknown keys', async () => {
  const { state, keys } = publisher()
  const had = await keys.keys()
  for (let i = 0; i < 50; i += 1) expect(await keys.newer(had)).toBeUndefined()
  expect(state.asked).toBe(1)
  state.body = B
  state.now = 30_000
  const found = await Promise.all(Array.from({ length: 50 }, () => keys.newer(had)))
  expect(found.every((list) => list?.[0]!.kid === 'b')).toBe(true)
  expect(state.asked).toBe(2)
})

it('keeps its keys for a day while fetches fail, and then has none', async () => {
  const { state, kids } = publisher()
  await kids()
  state.status = 500
  state.now = 86_399_999
  expect(await kids()).toEqual(['a'])
  await expect.poll(() => state.asked).toBe(2)
  state.now = 86_400_000 + 1_000
  await expect(kids()).rejects.toThrow('https://k.example: answers 500')
  state.status = 200
  state.now += 10_000
  expect(await kids()).toEqual(['a'])
})

it('waits longer after each failure, at most five minutes, and reports why it has no keys', async () => {
  const { state, kids } = publisher()
  state.body = '<html>'
  const asked: number[] = []
  for (; state.now < 2_000_000; state.now += 500) {
    const before = state.asked
    await expect(kids()).rejects.toThrow('https://k.example: is not JSON')
    if (state.asked > before) asked.push(state.now)
  }
  const pauses = asked.slice(1).map((at, index) => at - asked[index]!)
  expect(pauses.slice(0, 5)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000])
  expect(Math.max(...pauses)).toBe(300_000)
})

it('does not report an unknown key while fetches fail', async () => {
  const { state, keys } = publisher()
  const had = await keys.keys()
  state.now = 40_000
  state.status = 503
  await expect(keys.newer(had)).rejects.toThrow('answers 503')
  await expect(keys.newer(had)).rejects.toThrow('answers 503')
  expect(state.asked).toBe(2)
})

it('limits how many requests wait', async () => {
  const keys = new RemoteKeys('https://k.example', ['ES256'], { fetch: () => new Promise(() => undefined) })
  for (let i = 0; i < 100; i += 1) void keys.keys()
  await expect(keys.keys()).rejects.toThrow('100 requests already wait for its keys')
})

const serve = async (listener: RequestListener) => {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

it('fetches over the network, and follows no redirect', async () => {
  const good = await serve((_, response) => response.end(A))
  expect((await new RemoteKeys(good, ['ES256']).keys())[0]!.kid).toBe('a')
  const elsewhere = await serve((_, response) => response.writeHead(302, { location: good }).end())
  await expect(new RemoteKeys(elsewhere, ['ES256']).keys()).rejects.toThrow('answers 302')
  const large = await serve((_, response) => response.end(`{"x":"${'x'.repeat(300_000)}"}`))
  await expect(new RemoteKeys(large, ['ES256']).keys()).rejects.toThrow('more than 262144 bytes')
  await expect(new RemoteKeys('http://127.0.0.1:1', ['ES256']).keys()).rejects.toThrow(
    /ECONNREFUSED|bad port/,
  )
})
