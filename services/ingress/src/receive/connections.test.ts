import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLogger } from '@weir/runtime'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { TestIngress } from '../testing/test-ingress.ts'

/** Peers behind proxies, targets and paths as balancers send them, and connections that wait. */
const lines: Record<string, unknown>[] = []
const logger = createLogger('test', 'silent')
logger.warn = ((line: Record<string, unknown>, text: string) => lines.push({ ...line, text })) as never
const ingress = new TestIngress(
  {
    SOURCE_COGNIGY_CIDRS: '203.0.113.0/24,2001:db8::/32',
    INGRESS_TRUSTED_PROXIES: '127.0.0.0/8,10.0.0.0/8,fd00::/8',
    INGRESS_TRAILING_SLASH: 'true',
    INGRESS_KEEP_ALIVE_SECS: '5',
    SOURCE_NICE_SECRETS: 'a secret of the tests',
  },
  logger,
)
beforeAll(() => ingress.listen())
afterAll(() => ingress.close())
beforeEach(() => ingress.forget())

const BODY = '{"conversationId":"c","sessionId":"s","intent":"i","timestamp":1,"userId":"u"}'
const JSON_TYPE = { 'content-type': 'application/json' }
const post = (headers: Readonly<Record<string, string | readonly string[]>>, path = '/webhooks/cognigy') =>
  ingress.call({ path, body: BODY, headers: { ...JSON_TYPE, ...headers } })

const GOOD = '203.0.113.5'

describe('X-Forwarded-For', () => {
  it.each([
    [200, GOOD],
    [200, `${GOOD}:51422`],
    [200, '[2001:db8::5]:443'],
    [200, '[2001:db8::5]'],
    [200, '2001:db8::5'],
    [200, `198.51.100.1, ${GOOD}:1, 10.0.0.1:8080, [fd00::1]:443`],
    [200, `::ffff:${GOOD}`],
    [200, `[::ffff:${GOOD}]:443`],
    [403, ''],
    [403, `${GOOD}, 198.51.100.1`],
    [403, `${GOOD}, 198.51.100.1:443`],
    [403, `${GOOD}:x`],
    [403, `${GOOD}:123456`],
    [403, `[${GOOD}]x`],
    [403, '2001:db8::5:443:1:2:3:4:5'],
    [403, `"${GOOD}"`],
    [403, `${GOOD}, unknown`],
    [403, `${GOOD}, [fd00::1]:x`],
  ])('gives %i for %s', async (status, forwarded) => {
    expect((await post({ 'x-forwarded-for': forwarded })).status).toBe(status)
  })

  it('is read in all its lines, and only from a trusted proxy', async () => {
    expect((await post({ 'x-forwarded-for': [GOOD, '10.0.0.1:80'] })).status).toBe(200)
    const spoofed = { path: '/webhooks/cognigy', body: BODY, from: '192.0.2.1' }
    const answer = await ingress.call({ ...spoofed, headers: { ...JSON_TYPE, 'x-forwarded-for': GOOD } })
    expect(answer.status).toBe(403)
  })
})

describe('targets', () => {
  const raw = (target: string) =>
    ingress.raw(
      `POST ${target} HTTP/1.1\r\nhost: weir\r\nconnection: close\r\ncontent-type: application/json\r\n` +
        `x-forwarded-for: ${GOOD}\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}`,
    )

  it.each([
    [200, '/webhooks/cognigy'],
    [200, 'http://weir.example.com/webhooks/cognigy'],
    [200, 'https://weir.example.com:8443/webhooks/cognigy?x=1'],
    [200, 'HTTP://weir/webhooks/cognigy/'],
    [404, 'http://weir.example.com'],
    [404, 'http://weir.example.com?/webhooks/cognigy'],
    [404, '//weir/webhooks/cognigy'],
    [400, 'ftp:/webhooks/cognigy'],
    [400, 'webhooks/cognigy'],
  ])('get %i: %s', async (status, target) => {
    expect(await raw(target)).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  })

  it('may have one extra slash if that is configured, but not two', async () => {
    const headers = { 'x-forwarded-for': GOOD }
    expect((await post(headers, '/webhooks/cognigy/')).status).toBe(200)
    expect((await post(headers, '/webhooks/cognigy/?x=1')).status).toBe(200)
    expect((await post(headers, '/webhooks/cognigy//')).status).toBe(404)
    expect((await post(headers, '/')).status).toBe(404)
  })
})

describe('requests that reach no source', () => {
  const counted = async (source: string, status: number) => {
    const line = `weir_ingress_requests_total{source="${source}",status="${status}"`
    const found = (await ingress.metricsText()).split('\n').find((one) => one.startsWith(line))
    return Number(found?.split(' ').at(-1) ?? 0)
  }

  it('are counted as unknown, and those of a source under its name', async () => {
    const before = [
      await counted('unknown', 404),
      await counted('unknown', 400),
      await counted('cognigy', 405),
      await counted('cognigy', 415),
    ]
    await post({}, '/webhooks/nobody')
    await post({}, '/webhooks/%zz')
    await ingress.call({ method: 'GET', path: '/webhooks/cognigy' })
    await post({ 'content-type': 'text/plain', 'x-forwarded-for': GOOD })
    expect([
      await counted('unknown', 404),
      await counted('unknown', 400),
      await counted('cognigy', 405),
      await counted('cognigy', 415),
    ]).toEqual(before.map((count) => count + 1))
  })

  it.each([
    [431, 'too many headers', `${'x: 1\r\n'.repeat(200)}\r\n`],
    [431, 'a head that is too large', `x: ${'x'.repeat(20_480)}\r\n\r\n`],
    [400, 'two hosts', 'host: other\r\ncontent-length: 2\r\n\r\n{}'],
    [400, 'what is no header', '\0\r\n\r\n'],
    [400, 'an ambiguous length', 'content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'],
    [408, 'a head that does not end', ''],
  ])('are counted once as unknown: %i for %s', async (status, _, rest) => {
    const before = [await counted('unknown', status), await counted('cognigy', status)]
    const text = await ingress.raw(`POST /webhooks/cognigy HTTP/1.1\r\nhost: weir\r\n${rest}`)
    expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} (?![^]*HTTP/1.1)`))
    expect([await counted('unknown', status), await counted('cognigy', status)]).toEqual([
      before[0]! + 1,
      before[1],
    ])
  })

  it('are counted once, under the status of their response', async () => {
    const all = async () =>
      (await ingress.metricsText()).split('\n').reduce((sum, line) => {
        const isCount = line.startsWith('weir_ingress_requests_total')
        return isCount ? sum + Number(line.split(' ').at(-1)) : sum
      }, 0)
    const before = await all()
    const badChunk = 'transfer-encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n'
    const head = 'host: weir\r\ncontent-type: application/json\r\n'
    await ingress.raw(`POST /x HTTP/1.1\r\n${head}${badChunk}`)
    await ingress.raw(`POST /webhooks/cognigy HTTP/1.1\r\n${head}${badChunk}`)
    expect(await all()).toBe(before + 2)
  })

  it('are counted under the name of the source if the body does not arrive', async () => {
    const before = [await counted('unknown', 408), await counted('nice', 408)]
    const head = `host: weir\r\ncontent-type: application/json\r\nx-nice-signature: ${'0'.repeat(64)}\r\n`
    const text = await ingress.raw(`POST /webhooks/nice HTTP/1.1\r\n${head}content-length: 9\r\n\r\n{`)
    expect(text).toMatch(/^HTTP\/1.1 408 /)
    expect([await counted('unknown', 408), await counted('nice', 408)]).toEqual([before[0], before[1]! + 1])
  }, 10_000)

  it('are logged at a limited rate, with only the known part of their path', async () => {
    const other = new TestIngress({ SOURCE_COGNIGY_CIDRS: '127.0.0.1' }, logger)
    lines.length = 0
    for (let n = 0; n < 20; n++) {
      await other.call({ path: '/webhooks/hunter2/cognigy/a%0ab\u001b[31m?code=s3cret', headers: JSON_TYPE })
    }
    await other.close()
    expect(lines).toHaveLength(5)
    expect(lines[0]).toMatchObject({
      text: 'a request reached no source',
      status: 404,
      method: 'POST',
      path: expect.stringMatching(/^\/webhooks\/\{7\}\/cognigy\/\{\d+\}$/) as string,
    })
    expect(JSON.stringify(lines)).not.toMatch(/hunter2|s3cret/)
  })
})

describe('connections', () => {
  const head = `GET /livez HTTP/1.1\r\nhost: weir\r\n\r\n`

  it('that are opened early live like idle ones, and then have the time of a head', async () => {
    const socket = connect(ingress.port, '127.0.0.1')
    await once(socket, 'connect')
    await sleep(4_000)
    socket.write(head)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString()).toMatch(/^HTTP\/1.1 200 [^]*keep-alive/i)
    socket.destroy()

    const slow = connect(ingress.port, '127.0.0.1')
    await once(slow, 'connect')
    await sleep(4_000)
    const startedAt = performance.now()
    slow.write('GET /li')
    const [late] = (await once(slow, 'data')) as [Buffer]
    expect(late.toString()).toMatch(/^HTTP\/1.1 408 /)
    expect(performance.now() - startedAt).toBeLessThan(5_000)
  }, 20_000)

  it('on which nothing arrives are closed in the end', async () => {
    const socket = connect(ingress.port, '127.0.0.1').resume()
    const startedAt = performance.now()
    await once(socket, 'close')
    expect(performance.now() - startedAt).toBeLessThan(12_000)
  }, 20_000)

  it('on which nothing has arrived yet are closed with the server', async () => {
    const other = new TestIngress({ SOURCE_COGNIGY_CIDRS: '127.0.0.1' })
    await other.listen()
    const socket = connect(other.port, '127.0.0.1').resume()
    await once(socket, 'connect')
    await sleep(4_000)
    const closed = once(socket, 'close')
    other.closeGently()
    await closed
    await other.close()
  }, 20_000)
})
