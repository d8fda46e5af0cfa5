import { once } from 'node:events'
import { connect } from 'node:net'
import { signedHeaders, SOURCES, type HmacSpec } from '@weir/sources'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { TestIngress } from '../testing/test-ingress.ts'

const SECRET = 'a secret of the tests'
const ingress = new TestIngress({ SOURCE_NICE_SECRETS: SECRET, SOURCE_COGNIGY_CIDRS: '203.0.113.5' })
beforeAll(() => ingress.listen())
afterAll(() => ingress.close())
beforeEach(() => ingress.forget())

const BODY = Buffer.from('{"interactionId":"i","dataActionId":"d","updatedTimestamp":"t"}')
const spec = SOURCES.find(({ name }) => name === 'nice')!.verifier as HmacSpec
const SIGNED = Object.entries(signedHeaders(spec, SECRET, BODY))
  .map(([name, value]) => `${name}: ${value}\r\n`)
  .join('')
const TYPE = 'content-type: application/json\r\n'
const LENGTH = `content-length: ${BODY.length}\r\n`
const CONTINUE = 'expect: 100-continue\r\n'
const head = (more: string, line = 'POST /webhooks/nice HTTP/1.1'): string =>
  `${line}\r\nhost: weir\r\n${more}\r\n`
const statusesIn = (text: string): number[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status))

describe('Expect: 100-continue', () => {
  it('gets 100 when the body is to be read, and then the response', async () => {
    const socket = connect(ingress.port, '127.0.0.1', () =>
      socket.write(head(TYPE + SIGNED + LENGTH + CONTINUE)),
    )
    const [first] = (await once(socket, 'data')) as [Buffer]
    expect(first.toString()).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    socket.write(BODY)
    const [second] = (await once(socket, 'data')) as [Buffer]
    expect(second.toString()).toMatch(/^HTTP\/1.1 200 /)
    socket.destroy()
    expect(ingress.written).toHaveLength(1)
  })

  it.each([
    ['no signature', 403, head(TYPE + LENGTH + CONTINUE)],
    ['an unknown path', 404, head(TYPE + LENGTH + CONTINUE, 'POST /nobody HTTP/1.1')],
    ['another method', 405, head(TYPE + LENGTH + CONTINUE, 'PUT /webhooks/nice HTTP/1.1')],
    [
      'an address that no range allows',
      403,
      head(TYPE + LENGTH + CONTINUE, 'POST /webhooks/cognigy HTTP/1.1'),
    ],
    ['too large a body', 413, head(`${TYPE}${SIGNED}content-length: 999999\r\n${CONTINUE}`)],
    ['another media type', 415, head(`content-type: text/plain\r\n${SIGNED}${LENGTH}${CONTINUE}`)],
    ['a coding', 415, head(`${TYPE}content-encoding: gzip\r\n${SIGNED}${LENGTH}${CONTINUE}`)],
    ['chunks', 403, head(`${TYPE}transfer-encoding: chunked\r\n${CONTINUE}`)],
    ['another expectation', 417, head(`${TYPE}${SIGNED}${LENGTH}expect: x\r\n`)],
    ['a second one', 417, head(`${TYPE}${SIGNED}${LENGTH}${CONTINUE}expect: 100-continue\r\n`)],
  ])('with %s is refused with %i without 100, and closed', async (_, status, bytes) => {
    // What follows may be a body or a request: neither is read.
    const text = await ingress.raw(bytes)
    expect(statusesIn(text)).toEqual([status])
    expect(text).toMatch(/connection: close/i)
    expect(ingress.written).toHaveLength(0)
  })

  it('treats nothing after a refused request as a request', async () => {
    const text = await ingress.raw(
      head(TYPE + LENGTH + CONTINUE) + head(TYPE + SIGNED + LENGTH) + BODY.toString(),
    )
    expect(statusesIn(text).filter((status) => status !== 403)).toEqual([])
    expect(ingress.written).toHaveLength(0)
  })

  it('gets 429 without 100 above the rate', async () => {
    // So low that a slow machine does not wait for the next one.
    const slow = new TestIngress({ SOURCE_NICE_SECRETS: SECRET, INGRESS_RATE_PER_SEC: '1' })
    await slow.listen()
    onTestFinished(() => slow.close())
    const call = { path: '/webhooks/nice', headers: { 'content-type': 'application/json' } }
    await vi.waitFor(async () => expect((await slow.call(call)).status).toBe(429), { interval: 0 })
    expect(statusesIn(await slow.raw(head(TYPE + LENGTH + CONTINUE)))).toEqual([429])
  })

  it('is ignored with HTTP/1.0', async () => {
    const line = 'POST /webhooks/nice HTTP/1.0'
    const text = await ingress.raw(head(TYPE + SIGNED + LENGTH + CONTINUE, line) + BODY.toString())
    expect(statusesIn(text)).toEqual([200])
  })
})

describe('request lines', () => {
  it.each([
    'POST /webhooks/nice HTTP/2.0',
    'POST /webhooks/nice HTTP/2',
    'POST /webhooks/nice HTTP/3.0',
    'POST /webhooks/nice HTTP/1.2',
    'POST /webhooks/nice HTTP/0.9',
    'POST /webhooks/nice HTTP/01.1',
    'POST /webhooks/nice http/1.1',
    'POST /webhooks/nice HTTP/1.1 ',
    'POST\t/webhooks/nice HTTP/1.1',
    'POST /webhooks/nice\tHTTP/1.1',
    ' POST /webhooks/nice HTTP/1.1',
    'POST /webhooks/nice',
    'POST /webhooks/nice x HTTP/1.1',
    'POST /webhooks/nice ICE/1.0',
    'post /webhooks/nice HTTP/1.1',
    'SOURCE /webhooks/nice ICE/1.0',
    'PRI * HTTP/2.0',
    'POST /webhooks/n\u0000ice HTTP/1.1',
    'CONNECT weir:443 HTTP/1.1',
  ])('that no HTTP/1.1 server accepts: %j', async (line) => {
    const text = await ingress.raw(
      head(TYPE + SIGNED + LENGTH, line) + BODY.toString() + head('', 'GET /x HTTP/1.1'),
    )
    const statuses = statusesIn(text)
    expect(statuses.length).toBeLessThan(2)
    expect(statuses.every((status) => status === 400)).toBe(true)
    expect(ingress.written).toHaveLength(0)
  })

  it.each(['/webhooks/nice#x', 'http://[/webhooks/nice', '/webhooks/nice;x', '*'])(
    'of a target that is no path of a source: %s',
    async (target) => {
      const more = `${TYPE}${SIGNED}${LENGTH}connection: close\r\n`
      const text = await ingress.raw(head(more, `POST ${target} HTTP/1.1`) + BODY.toString())
      expect(statusesIn(text)).toHaveLength(1)
      expect(text).toMatch(/^HTTP\/1.1 40[04] /)
      expect(ingress.written).toHaveLength(0)
    },
  )

  it('of HTTP/1.0 with chunks, which HTTP/1.0 does not have', async () => {
    const text = await ingress.raw(
      `${head(`${TYPE}${SIGNED}transfer-encoding: chunked\r\n`, 'POST /webhooks/nice HTTP/1.0')}0\r\n\r\n`,
    )
    expect(statusesIn(text)).toEqual([400])
  })
})

it('responds to pipelined requests in their order, each once', async () => {
  const one = (path: string) => head(TYPE + SIGNED + LENGTH, `POST ${path} HTTP/1.1`) + BODY.toString()
  const last = head(`${TYPE}${SIGNED}${LENGTH}connection: close\r\n`) + BODY.toString()
  const text = await ingress.raw(one('/webhooks/nice') + one('/nobody') + one('/webhooks/nice') + last)
  expect(statusesIn(text)).toEqual([200, 404, 200, 200])
  expect(ingress.written).toHaveLength(3)
})

describe('a client that has closed its side', () => {
  const send = (bytes: string): Promise<string> =>
    new Promise((resolve) => {
      let text = ''
      const socket = connect(ingress.port, '127.0.0.1', () => socket.end(bytes))
      socket.on('data', (chunk) => (text += chunk.toString()))
      socket.on('error', () => undefined).on('close', () => resolve(text))
    })

  it('still gets its responses, and then the connection ends', async () => {
    const held = Promise.withResolvers<undefined>()
    ingress.held = held.promise.then(() => undefined)
    const request = head(TYPE + SIGNED + LENGTH) + BODY.toString()
    const text = send(request + request)
    setTimeout(() => held.resolve(undefined), 50)
    expect(statusesIn(await text)).toEqual([200, 200])
    expect(ingress.written).toHaveLength(2)
  })

  it('in the middle of a body is refused', async () => {
    const text = await send(head(TYPE + SIGNED + LENGTH) + BODY.toString().slice(0, 10))
    expect(statusesIn(text).filter((status) => status !== 400)).toEqual([])
    expect(ingress.written).toHaveLength(0)
  })
})
