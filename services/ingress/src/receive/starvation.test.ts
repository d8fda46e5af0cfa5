import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { signedHeaders, SOURCES, type HmacSpec } from '@weir/sources'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { GrowingBody } from './read-body.ts'
import { Suspects } from './suspects.ts'
import { TestIngress } from '../testing/test-ingress.ts'

const SECRET = 'a secret of the tests'
const BODY_MAX = 262_144
const ingress = new TestIngress({
  SOURCE_NICE_SECRETS: SECRET,
  SOURCE_CXONE_SECRETS: SECRET,
  INGRESS_ARRIVING_BYTES_MAX: '2097152',
  INGRESS_CONNECTIONS_MAX: '100',
})
beforeAll(() => ingress.listen())
afterAll(() => ingress.close())
beforeEach(() => ingress.forget())
const open: Socket[] = []
afterEach(() => open.splice(0).forEach((socket) => socket.destroy()))

const BODY = Buffer.from('{"interactionId":"i","dataActionId":"d","updatedTimestamp":"t"}')
const signed = (raw: Buffer) => ({
  'content-type': 'application/json',
  ...signedHeaders(SOURCES.find(({ name }) => name === 'nice')!.verifier as HmacSpec, SECRET, raw),
})
const honest = async (from?: string) =>
  (await ingress.call({ path: '/webhooks/nice', headers: signed(BODY), body: BODY, ...(from && { from }) }))
    .status

/** A request to another source with a wrong signature, of whose body all but the last byte comes. */
const slowBody = (): Socket => {
  const socket = connect(ingress.port, '127.0.0.1', () => {
    socket.write(
      'POST /webhooks/cxone HTTP/1.1\r\nhost: weir\r\ncontent-type: application/json\r\n' +
        `x-cxone-signature: ${'0'.repeat(64)}\r\ncontent-length: ${BODY_MAX}\r\n\r\n`,
    )
    socket.write(Buffer.alloc(BODY_MAX - 1, 0x20))
  })
  socket.on('error', () => undefined)
  open.push(socket)
  return socket
}

describe('one source', () => {
  it('that withholds the ends of large bodies leaves the others their shares', async () => {
    const answers: string[] = []
    for (let n = 0; n < 12; n++) slowBody().on('data', (chunk) => answers.push(chunk.toString().slice(9, 12)))
    // Beyond what it may take, it alone is told to wait.
    await vi.waitFor(() => expect(answers.length).toBeGreaterThan(3), 5_000)
    expect(new Set(answers)).toEqual(new Set(['503']))
    expect(await honest()).toBe(200)
    const large = Buffer.concat([BODY.subarray(0, -1), Buffer.from(`,"x":"${'x'.repeat(200_000)}"}`)])
    const { status } = await ingress.call({ path: '/webhooks/nice', headers: signed(large), body: large })
    expect(status).toBe(200)
  })

  it('may use everything beyond the guaranteed shares of the others', async () => {
    const answers: string[] = []
    // Three quarters of the bound: its own quarter and the common half.
    for (let n = 0; n < 5; n++) slowBody().on('data', (chunk) => answers.push(chunk.toString()))
    await vi.waitFor(() => expect(ingress.arriving.held).toBeGreaterThan(5 * (BODY_MAX - 1)), 5_000)
    expect(answers).toEqual([])
  })
})

describe('a body is refused unread', () => {
  const headersOf = (more: string) =>
    `POST /webhooks/nice HTTP/1.1\r\nhost: weir\r\ncontent-type: application/json\r\n${more}`

  it.each([
    ['without the signature', 403, 'content-length: 1000\r\n'],
    ['with an empty one', 403, 'x-nice-signature:\r\ncontent-length: 1000\r\n'],
    ['with two', 401, 'x-nice-signature: a\r\nx-nice-signature: a\r\ncontent-length: 1000\r\n'],
    ['without the signature, in chunks', 403, 'transfer-encoding: chunked\r\n'],
  ])('%s', async (_, status, more) => {
    const socket = connect(ingress.port, '127.0.0.1', () => socket.write(`${headersOf(more)}\r\n`))
    open.push(socket)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString()).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  })

  it('and is not read without limit if it has no end', async () => {
    const socket = connect(ingress.port, '127.0.0.1', () => {
      socket.write(`${headersOf('transfer-encoding: chunked\r\n')}\r\n`)
      const chunk = Buffer.from(`10000\r\n${'x'.repeat(65_536)}\r\n`)
      const more = (): void => {
        if (!socket.destroyed) socket.write(chunk, () => setImmediate(more))
      }
      more()
    })
    open.push(socket)
    // `once` would reject for the reset that is expected.
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    socket.on('error', () => undefined).resume()
    await closed
    expect(socket.bytesWritten).toBeLessThan(20_000_000)
  })

  it('when it arrives in too many pieces for its size', async () => {
    const chunks = '1\r\n \r\n'.repeat(20_000)
    const head = headersOf(`x-nice-signature: ${'0'.repeat(64)}\r\ntransfer-encoding: chunked\r\n`)
    expect(await ingress.raw(`${head}\r\n${chunks}`)).toMatch(/^HTTP\/1.1 400 [^]*too many pieces/)
    expect(ingress.arriving.held).toBe(0)
  })
})

it.each([1, 5, 16, 64, 1_000])(
  'takes an authentic body that was sent while it was made, %i bytes a chunk',
  async (size) => {
    const length = size === 1 ? 16_000 : size === 5 ? 100_000 : BODY_MAX
    const start = `${BODY.toString().slice(0, -1)},"x":"`
    const sent = `${start}${'x'.repeat(length - start.length - 2)}"}`
    const headers = Object.entries(signed(Buffer.from(sent))).map(([name, value]) => `${name}: ${value}\r\n`)
    const chunks = sent.match(new RegExp(`.{1,${size}}`, 'g'))!
    const body = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('')
    const head = `POST /webhooks/nice HTTP/1.1\r\nhost: weir\r\nconnection: close\r\n${headers.join('')}`
    expect(await ingress.raw(`${head}transfer-encoding: chunked\r\n\r\n${body}0\r\n\r\n`)).toMatch(
      /^HTTP\/1.1 200 /,
    )
    expect(ingress.last.raw.toString()).toBe(sent)
  },
)

it('accepts bodies in pieces of any size, byte for byte', () => {
  for (const size of [1, 7, 1_000]) {
    const sent = Buffer.from(Array.from({ length: 5_000 }, (_, i) => i % 251))
    const body = new GrowingBody()
    for (let at = 0; at < sent.length; at += size) body.add(sent.subarray(at, at + size))
    expect(body.whole().equals(sent)).toBe(true)
  }
})

describe('wrong signatures', () => {
  const wrong = { 'content-type': 'application/json', 'x-nice-signature': '0'.repeat(64) }
  const attack = (from: string) =>
    ingress.call({ path: '/webhooks/nice', headers: wrong, body: Buffer.alloc(BODY_MAX, 0x20), from })

  /** Each look at the clock finds that 20 ms have passed. */
  const slowDown = (): void => {
    let at = performance.now()
    vi.spyOn(performance, 'now').mockImplementation(() => (at += 20))
  }

  it('of an address that also sends authentic requests may take longer', async () => {
    slowDown()
    try {
      await attack('203.0.113.9')
      expect(await honest('203.0.113.9')).toBe(200)
      for (let n = 0; n < 60; n++) expect((await attack('203.0.113.9')).status).toBe(401)
    } finally {
      vi.restoreAllMocks()
    }
  })

  it('of one sender are refused unread when they have taken too long, and those of others are checked', async () => {
    slowDown()
    try {
      const statuses = new Set<number>()
      for (let n = 0; n < 60; n++) statuses.add((await attack('203.0.113.7')).status)
      expect(statuses).toEqual(new Set([401, 429]))
      expect((await attack('203.0.113.7')).headers['retry-after']).toMatch(/^[1-9]\d?$/)
      expect(await honest('203.0.113.8')).toBe(200)
    } finally {
      vi.restoreAllMocks()
    }
  })

  it('of a stranger leave most requests of an honest sender behind the same address', () => {
    fc.assert(
      fc.property(fc.integer(), fc.double({ min: 0.02, max: 0.5, noNaN: true }), (seed, ms) => {
        let state = seed
        const random = () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32
        const suspects = new Suspects()
        const times = { cpu: 0, taken: 0, honest: 0 }
        // What would take 55% of a core, and ten honest requests a second.
        for (let now = 0; now < 60_000; now += (2 * random() * ms) / 0.55) {
          const waits = suspects.waitSecs('a', () => 'proxy', now) > 0
          if (random() < (ms / 550) * 10) {
            times.honest += 1
            if (waits) continue
            times.taken += 1
            suspects.vouch('a', () => 'proxy', now)
          } else if (!waits) {
            times.cpu += ms
            suspects.charge('a', 'proxy', ms, now)
          }
        }
        expect(times.taken / times.honest).toBeGreaterThan(0.7)
        expect(times.cpu).toBeLessThan(60 * 500 + 1_000)
      }),
      { numRuns: 5 },
    )
  })

  it('of a sender without authentic requests cost at most a tenth of a core, whoever else sends', () => {
    const suspects = new Suspects()
    let cpu = 0
    for (let now = 0; now < 60_000; now += 1) {
      if (suspects.waitSecs('a', () => 'bad', now) === 0) {
        suspects.charge('a', 'bad', 0.5, now)
        cpu += 0.5
      }
      suspects.vouch('a', () => 'good', now)
      suspects.vouch('b', () => 'bad', now)
    }
    expect(cpu).toBeLessThan(60 * 100 + 1_000)
  })

  it('are forgotten with time, by source and sender', () => {
    const suspects = new Suspects()
    const wait = (source: string, sender: string, now: number) => suspects.waitSecs(source, () => sender, now)
    for (let n = 0; n < 50; n++) suspects.charge('a', '1', 20, 1_000)
    expect(wait('a', '1', 1_000)).toBe(5)
    expect(wait('a', '2', 1_000)).toBe(0)
    expect(wait('b', '1', 1_000)).toBe(0)
    expect(wait('a', '1', 5_000)).toBe(1)
    expect(wait('a', '1', 6_001)).toBe(0)
    // Ten times as much again makes nobody wait longer.
    for (let n = 0; n < 500; n++) suspects.charge('a', '1', 20, 7_000)
    expect(wait('a', '1', 7_000)).toBe(5)
  })

  it('of more senders than are remembered take no more memory, and never stop senders without wrong signatures', () => {
    const suspects = new Suspects()
    for (let n = 0; n < 20_000; n++) suspects.charge('a', String(n), 1_000, n / 1_000)
    expect(suspects.size).toBe(10_000)
    expect(suspects.waitSecs('a', () => 'another', 21)).toBe(0)
  })
})

it('lets one address have half of the connections, and keeps the rest for others', async () => {
  const mine = Array.from({ length: 60 }, () => connect(ingress.port, '127.0.0.1'))
  open.push(...mine)
  for (const socket of mine) socket.on('error', () => undefined).resume()
  await vi.waitFor(() => expect(mine.filter(({ destroyed }) => destroyed).length).toBe(10), 5_000)
  const other = connect({ port: ingress.port, host: '127.0.0.1', localAddress: '127.0.0.9' }, () =>
    other.write('GET /webhooks/nice HTTP/1.1\r\nhost: weir\r\n\r\n'),
  )
  open.push(other)
  const [answer] = (await once(other, 'data')) as [Buffer]
  expect(answer.toString()).toMatch(/^HTTP\/1.1 405 /)
})

it('counts requests of each source against a limit that is on by default', () => {
  const { table } = new TestIngress({ SOURCE_NICE_SECRETS: SECRET })
  expect(table.find('/webhooks/nice')?.accepted?.isOf({ perSec: 10_000, burst: 20_000 })).toBe(true)
  const off = new TestIngress({ SOURCE_NICE_SECRETS: SECRET, INGRESS_RATE_PER_SEC: '0' })
  expect(off.table.find('/webhooks/nice')?.accepted).toBe(undefined)
})
