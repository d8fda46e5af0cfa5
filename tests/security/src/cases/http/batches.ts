import type { Rig } from '../../rig/rig.ts'
import { securityCase, type SecurityCase } from '../../security-case.ts'

/** Batches and handshakes: sources of a file that anybody may send to, so that nothing but their own bounds holds. */

const post = async (rig: Rig, raw: string, path = '/webhooks/batch'): Promise<string> => {
  const headers = ['content-type', 'application/json']
  const { status, body } = await rig.schemes.send({ path, headers, raw: Buffer.from(raw) })
  return status === 200 && body.startsWith('{"status":"accepted","elements"')
    ? `200 ${/"malformed":\d+/.exec(body)![0]}`
    : String(status)
}

const batch = (what: string, expected: string, body: () => string): SecurityCase =>
  securityCase(`batch: ${what}`, expected, (rig) => post(rig, body()))

const GOOD = '{"id":"batch-good","type":"t"}'
const nested = (open: string, close: string, depth: number): string =>
  open.repeat(depth) + close.repeat(depth)

const batches = (): SecurityCase[] => [
  batch('100,000 elements', '413', () => `[${'1,'.repeat(99_999)}1]`),
  batch('1,001 elements', '413', () => `[${'1,'.repeat(1_000)}1]`),
  batch('no elements', '200 "malformed":0', () => '[]'),
  batch('an element of 60,000 arrays beside a good one', '200 "malformed":1', () => {
    return `[${GOOD},${nested('[', ']', 60_000)}]`
  }),
  batch('an element of 20,000 objects beside a good one', '200 "malformed":1', () => {
    return `[${GOOD},${nested('{"a":', '}', 20_000).replace(':}', ':1}')}]`
  }),
  batch('200,000 brackets that never close', '400', () => '['.repeat(200_000)),
  batch('a string that never closes', '400', () => `[${GOOD},"${'\\"'.repeat(50_000)}`),
  batch('an element that would reach the prototype', '200 "malformed":1', () => {
    return `[${GOOD},{"id":"x","type":"t","__proto__":{"a":1}}]`
  }),
  batch('an element with a key twice', '200 "malformed":1', () => `[${GOOD},{"id":"x","id":"y","type":"t"}]`),
  batch('two arrays behind each other', '400', () => `[${GOOD}][${GOOD}]`),
]

const CRC = '/webhooks/crc?crc_token='
const GRAPH = '/webhooks/graph?validationToken='
const META = '/webhooks/meta?hub.mode=subscribe'

const handshake = (
  what: string,
  expected: string,
  method: string,
  path: string,
  headers: readonly string[] = [],
): SecurityCase =>
  securityCase(`handshake ${what}`, expected, async (rig) => {
    const answer = await rig.schemes.send({ method, path, headers, raw: Buffer.alloc(0) })
    const isReflected = /[<>"']script|evil/i.test(answer.body + JSON.stringify(answer.headers))
    return `${answer.status}${isReflected ? ' reflected' : ''}`
  })

const MARKUP = encodeURIComponent('<script>alert(1)</script>')
const LINES = encodeURIComponent('a\r\nset-cookie: evil=1')

const handshakes = (): SecurityCase[] => [
  handshake('meta: no verify token', '403', 'GET', `${META}&hub.challenge=1`),
  handshake('meta: a wrong verify token', '403', 'GET', `${META}&hub.challenge=1&hub.verify_token=evil`),
  handshake('graph: markup', '400', 'POST', GRAPH + MARKUP),
  handshake('graph: lines', '400', 'POST', GRAPH + LINES),
  handshake('graph: 5,000 characters', '400', 'POST', GRAPH + 'a'.repeat(5_000)),
  handshake('graph: twice', '400', 'POST', `${GRAPH}a&validationToken=evil`),
  handshake('x: a body to be signed', '400', 'GET', CRC + encodeURIComponent('{"id":"evil"}')),
  handshake('x: a form to be signed', '400', 'GET', CRC + encodeURIComponent('a=1&b=evil')),
  handshake('cloudevents: another origin', '403', 'OPTIONS', '/webhooks/events', [
    'webhook-request-origin',
    'evil.example',
  ]),
  handshake('cloudevents: a callback of its own', '403', 'OPTIONS', '/webhooks/events', [
    'webhook-request-origin',
    'evil.example',
    'webhook-request-callback',
    'http://127.0.0.1:1/evil',
  ]),
  securityCase('handshake x: its answer as a signature', 401, async (rig) => {
    const asked = await rig.schemes.send({
      method: 'GET',
      path: `${CRC}abc`,
      headers: [],
      raw: Buffer.alloc(0),
    })
    const { response_token: signature = '' } = JSON.parse(asked.body) as { response_token?: string }
    const headers = ['content-type', 'application/json', 'x-twitter-webhooks-signature', signature]
    const { status } = await rig.schemes.send({ path: '/webhooks/crc', headers, raw: Buffer.from('abc') })
    return status
  }),
]

export const batchCases = (): readonly SecurityCase[] => [...batches(), ...handshakes()]
