import { connect } from 'node:net'
import { signedHeaders, SOURCES, type HmacSpec } from '@weir/sources'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { TestIngress } from '../testing/test-ingress.ts'

const SECRET = 'a secret of the tests'
const ingress = new TestIngress({ SOURCE_NICE_SECRETS: SECRET })
beforeAll(() => ingress.listen())
afterAll(() => ingress.close())
beforeEach(() => ingress.forget())

/** Would be answered with 200 if it were taken for a request of its own. */
const SMUGGLED = 'GET /livez HTTP/1.1\r\nhost: weir\r\n\r\n'
const START = 'POST /webhooks/nice HTTP/1.1\r\nhost: weir\r\n'
const TYPE = 'content-type: application/json\r\n'
/** Wrong, but there: what has none is refused before its body. */
const SIGNED = `x-nice-signature: ${'0'.repeat(64)}\r\n`
const CHUNKED = 'transfer-encoding: chunked\r\n'

const statusesIn = (text: string): number[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status))

describe('a request that two HTTP parsers may read differently is refused, and the process keeps running', () => {
  it.each<[string, string]>([
    ['length and chunks', `${START}${TYPE}content-length: 5\r\n${CHUNKED}\r\n0\r\n\r\n`],
    ['two lengths', `${START}${TYPE}content-length: 2\r\ncontent-length: 2\r\n\r\n{}`],
    ['a length of +1', `${START}${TYPE}content-length: +1\r\n\r\n1`],
    ['a length of 0x10', `${START}${TYPE}content-length: 0x10\r\n\r\n1`],
    [',chunked', `${START}${TYPE}transfer-encoding: ,chunked\r\n\r\n0\r\n\r\n`],
    ['chunked twice', `${START}${TYPE}${CHUNKED}${CHUNKED}\r\n0\r\n\r\n`],
    ['a chunk of 0x1', `${START}${TYPE}${CHUNKED}\r\n0x1\r\nx\r\n0\r\n\r\n`],
    ['a chunk longer than its size', `${START}${TYPE}${CHUNKED}\r\n1\r\nxy\r\n0\r\n\r\n`],
    ['the same without a media type', `${START}${CHUNKED}\r\n1\r\nxy\r\n0\r\n\r\n`],
    ['the same on an unknown path', `POST /x HTTP/1.1\r\nhost: weir\r\n${CHUNKED}\r\n1\r\nxy\r\n0\r\n\r\n`],
    ['a chunk extension after \\r\\r', `${START}${TYPE}${CHUNKED}\r\n5\r\r;ABCD\r\n34\r\nE\r\n0\r\n\r\n`],
    ['lines ended by LF', `POST /webhooks/nice HTTP/1.1\nhost: weir\n${TYPE}content-length: 2\n\n{}`],
    ['NUL in a value', `${START}${TYPE}x: a\0b\r\ncontent-length: 2\r\n\r\n{}`],
    ['a blank before a colon', `${START}${TYPE}content-length : 2\r\n\r\n{}`],
    ['two hosts', `${START}host: other\r\n${TYPE}content-length: 2\r\n\r\n{}`],
    ['no host', `POST /webhooks/nice HTTP/1.1\r\n${TYPE}content-length: 2\r\n\r\n{}`],
  ])('%s', async (_, bytes) => {
    expect(statusesIn(await ingress.raw(bytes + SMUGGLED))).toEqual([400])
    expect((await ingress.call({ method: 'GET', path: '/livez' })).status).toBe(200)
    expect(ingress.written).toEqual([])
  })

  it('a malformed chunk after the response to its request', async () => {
    const socket = connect(ingress.port, '127.0.0.1', () => socket.write(`${START}${CHUNKED}\r\n`))
    let text = ''
    const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()))
    socket
      .on('error', () => undefined)
      .on('data', (chunk) => {
        if (text === '') socket.write('zz\r\n\r\n')
        text += chunk.toString()
      })
    await closed
    expect(statusesIn(text)).toEqual([415])
    expect((await ingress.call({ method: 'GET', path: '/livez' })).status).toBe(200)
  })

  it('invalid bytes after a request that still waits for its response', async () => {
    const raw = Buffer.from('{"interactionId":"i","dataActionId":"d","updatedTimestamp":"t"}')
    const signed = Object.entries(signedHeaders(SOURCES[3]!.verifier as HmacSpec, SECRET, raw))
    const held = Promise.withResolvers<undefined>()
    ingress.held = held.promise.then(() => undefined)
    const head = signed.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    const text = ingress.raw(
      `${START}${TYPE}${head}content-length: ${raw.length}\r\n\r\n${raw.toString()}nonsense\r\n\r\n`,
    )
    // Its 400 would be taken for the answer to the first.
    expect(statusesIn(await text)).toEqual([])
    held.resolve(undefined)
  })
})

it('refuses heads that are too large or have too many headers', async () => {
  const many = Array.from({ length: 2_000 }, (_, i) => `x-${i}: 1\r\n`).join('')
  const some = Array.from({ length: 200 }, (_, i) => `x-${i}: 1\r\n`).join('')
  for (const headers of [`x: ${'x'.repeat(20_480)}\r\n`, many, some]) {
    expect(statusesIn(await ingress.raw(`${START}${headers}\r\n`))).toEqual([431])
  }
})

it('responds at once to a body that declares too large a length, and does not wait for it', async () => {
  const text = await ingress.raw(`${START}${TYPE}content-length: 1099511627776\r\n\r\n`)
  expect(statusesIn(text)).toEqual([413])
})

it('ends slow heads within 4 s and slow bodies within 6 s', async () => {
  const timed = async (bytes: string) => {
    const startedAt = performance.now()
    const text = await ingress.raw(bytes)
    return { statuses: statusesIn(text), ms: performance.now() - startedAt }
  }
  const [head, body] = await Promise.all([
    timed(START),
    timed(`${START}${TYPE}${SIGNED}content-length: 100\r\n\r\n{`),
  ])
  expect(head.statuses).toEqual([408])
  expect(body.statuses).toEqual([408])
  expect(head.ms).toBeLessThan(4_000)
  expect(body.ms).toBeLessThan(6_000)
})

it('tells clients to close their connections while it stops, and serves them', async () => {
  const request = { path: '/webhooks/nice', headers: { 'content-type': 'application/json' }, body: '{}' }
  expect((await ingress.call(request)).status).toBe(403)
  ingress.isClosing = true
  const { status, headers } = await ingress.call(request)
  expect([status, headers.connection]).toEqual([403, 'close'])
})
