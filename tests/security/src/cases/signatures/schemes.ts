import { createHmac, generateKeyPairSync, sign as signWith, type KeyObject } from 'node:crypto'
import type { HttpClient } from '../../http-client.ts'
import type { Rig } from '../../rig/rig.ts'
import { securityCase, type SecurityCase } from '../../security-case.ts'
import { freshId } from '../../source-under-test.ts'

/** Ways of signing beyond a plain HMAC of the body, as sources of a file. Signed here by code of the suite's own. */

type Headers = readonly string[]

const hmac = (key: string | Buffer, text: string, encoding: 'hex' | 'base64'): string =>
  createHmac('sha256', key).update(text).digest(encoding)

const nowSecs = (): number => Math.floor(Date.now() / 1_000)

const send = async (client: HttpClient, source: string, headers: Headers, body: string): Promise<number> => {
  const { status } = await client.send({
    path: `/webhooks/${source}`,
    headers: ['content-type', 'application/json', ...headers],
    raw: Buffer.from(body),
  })
  return status
}

type Make = (rig: Rig, body: string) => Headers

const row = (source: string, what: string, expected: number, make: Make): SecurityCase =>
  securityCase(`scheme ${source}: ${what}`, expected, (rig) => {
    const body = JSON.stringify({ id: freshId(), type: 'a', event_id: freshId() })
    return send(rig.schemes, source, make(rig, body), body)
  })

interface StandardParts {
  readonly id?: string
  /** As it is sent; the same is signed. */
  readonly timestamp?: string
  /** What the header holds, of the good signature and the signed text. */
  readonly header?: (good: string, signed: string, rig: Rig) => string
  readonly more?: Headers
}

const standard =
  ({
    id = freshId(),
    timestamp = String(nowSecs()),
    header = (good) => `v1,${good}`,
    more = [],
  }: StandardParts = {}): Make =>
  (rig, body) => {
    const signed = `${id}.${timestamp}.${body}`
    const key = Buffer.from(rig.secrets.standard.slice('whsec_'.length), 'base64')
    const good = hmac(key, signed, 'base64')
    return [
      'webhook-id',
      id,
      'webhook-timestamp',
      timestamp,
      'webhook-signature',
      header(good, signed, rig),
      ...more,
    ]
  }

const ed25519 = (key: KeyObject, text: string): string =>
  signWith(null, Buffer.from(text), key).toString('base64')
const stranger = generateKeyPairSync('ed25519').privateKey
const WRONG = Buffer.alloc(32, 7).toString('base64')

const listRows = (): SecurityCase[] => [
  row('standard', 'good', 200, standard()),
  row(
    'standard',
    'several signatures, the last one good',
    200,
    standard({ header: (good) => `v1,${WRONG} v1,${good}` }),
  ),
  row(
    'standard',
    'several signatures, none good',
    401,
    standard({ header: () => `v1,${WRONG} v1,${WRONG}` }),
  ),
  row(
    'standard',
    'several signatures, one that cannot be decoded',
    200,
    standard({ header: (good) => `v1,!! v1,${good}` }),
  ),
  row('standard', 'a signature that cannot be decoded alone', 401, standard({ header: () => 'v1,!!' })),
  row(
    'standard',
    'a version that nobody knows, and a good one',
    200,
    standard({ header: (good) => `v9,${WRONG} v1,${good}` }),
  ),
  row('standard', 'a version that nobody knows alone', 401, standard({ header: (good) => `v9,${good}` })),
  row('standard', 'no version', 401, standard({ header: (good) => good })),
  row(
    'standard',
    '300 signatures and a one good',
    401,
    standard({ header: (good) => `${`v1,${WRONG} `.repeat(300)}v1,${good}` }),
  ),
  row(
    'standard',
    'v1a by the trusted key',
    200,
    standard({ header: (_, signed, rig) => `v1a,${ed25519(rig.trusted.key, signed)}` }),
  ),
  row(
    'standard',
    'v1a by a key that comes with the request',
    401,
    standard({
      header: (_, signed) => `v1a,${ed25519(stranger, signed)}`,
      more: ['webhook-public-key', stranger.export({ format: 'der', type: 'pkcs8' }).toString('base64')],
    }),
  ),
  row(
    'standard',
    "v1a's signature as v1",
    401,
    standard({ header: (_, signed, rig) => `v1,${ed25519(rig.trusted.key, signed)}` }),
  ),
  row('standard', 'another id than was signed', 401, (rig, body) => standard()(rig, body).with(1, freshId())),
  row('standard', 'no id', 401, (rig, body) => standard()(rig, body).slice(2)),
]

const at =
  (timestamp: () => string): Make =>
  (rig, body) =>
    standard({ timestamp: timestamp() })(rig, body)

/** What is wrong is signed as it is, so that nothing but the time can be the reason. */
const timestampRows = (): SecurityCase[] => [
  row(
    'standard',
    'signed 295 s ago',
    200,
    at(() => String(nowSecs() - 295)),
  ),
  row(
    'standard',
    'signed 295 s ahead',
    200,
    at(() => String(nowSecs() + 295)),
  ),
  row(
    'standard',
    'signed 305 s ago',
    401,
    at(() => String(nowSecs() - 305)),
  ),
  row(
    'standard',
    'signed 305 s ahead',
    401,
    at(() => String(nowSecs() + 305)),
  ),
  row(
    'standard',
    'time in milliseconds',
    401,
    at(() => String(Date.now())),
  ),
  ...['1674087231abc', '1e9', '-1', '0x65', '1674087231.5', '+1674087231'].map((text) =>
    row(
      'standard',
      `time as ${JSON.stringify(text)}`,
      401,
      at(() => text),
    ),
  ),
  row('standard', 'no time', 401, (rig, body) => standard()(rig, body).toSpliced(2, 2)),
  row('standard', 'time twice', 401, (rig, body) => {
    const good = standard()(rig, body)
    return [...good, 'webhook-timestamp', good[3]!]
  }),
  row('standard', 'another time than was signed', 401, (rig, body) =>
    standard()(rig, body).with(3, String(nowSecs() - 5)),
  ),
]

const stripe =
  (header: (good: string, t: string) => string, t = () => String(nowSecs())): Make =>
  (rig, body) => {
    const time = t()
    return ['stripe-signature', header(hmac(rig.secrets.stripe, `${time}.${body}`, 'hex'), time)]
  }
const ZEROS = '0'.repeat(64)

const pairRows = (): SecurityCase[] => [
  row(
    'stripe',
    'good',
    200,
    stripe((good, t) => `t=${t},v1=${good}`),
  ),
  row(
    'stripe',
    'several signatures, one good',
    200,
    stripe((good, t) => `t=${t},v1=${ZEROS},v1=${good},v0=${ZEROS}`),
  ),
  row(
    'stripe',
    'several signatures, none good',
    401,
    stripe((_, t) => `t=${t},v1=${ZEROS},v1=${ZEROS}`),
  ),
  row(
    'stripe',
    'v0 alone',
    401,
    stripe((good, t) => `t=${t},v0=${good}`),
  ),
  row(
    'stripe',
    'no time',
    401,
    stripe((good) => `v1=${good}`),
  ),
  row(
    'stripe',
    'two times',
    401,
    stripe((good, t) => `t=${t},t=${t},v1=${good}`),
  ),
  row(
    'stripe',
    'signed 305 s ago',
    401,
    stripe(
      (good, t) => `t=${t},v1=${good}`,
      () => String(nowSecs() - 305),
    ),
  ),
]

const slack =
  (header: (good: string) => string): Make =>
  (rig, body) => {
    const time = String(nowSecs())
    const good = hmac(rig.secrets.slack, `v0:${time}:${body}`, 'hex')
    return ['x-slack-request-timestamp', time, 'x-slack-signature', header(good)]
  }

const prefixRows = (): SecurityCase[] => [
  row(
    'slack',
    'good',
    200,
    slack((good) => `v0=${good}`),
  ),
  row(
    'slack',
    'no prefix',
    401,
    slack((good) => good),
  ),
  row(
    'slack',
    'another prefix',
    401,
    slack((good) => `v1=${good}`),
  ),
  row(
    'slack',
    'the prefix in upper case',
    401,
    slack((good) => `V0=${good}`),
  ),
  row(
    'slack',
    'the prefix twice',
    401,
    slack((good) => `v0=v0=${good}`),
  ),
]

const millis =
  (time: () => string): Make =>
  (rig, body) => {
    const text = time()
    return ['x-timestamp', text, 'x-signature', hmac(rig.secrets.millis, `${text}.${body}`, 'hex')]
  }

const unitRows = (): SecurityCase[] => [
  row(
    'millis',
    'milliseconds, as configured',
    200,
    millis(() => String(Date.now())),
  ),
  row(
    'millis',
    'seconds where milliseconds are due',
    401,
    millis(() => String(nowSecs())),
  ),
  row(
    'millis',
    '305 s ago',
    401,
    millis(() => String(Date.now() - 305_000)),
  ),
]

const ed =
  (signature: (rig: Rig, body: string) => string): Make =>
  (rig, body) => ['x-signature', signature(rig, body)]
const hexOf = (base64: string): string => Buffer.from(base64, 'base64').toString('hex')

const ed25519Rows = (): SecurityCase[] => [
  row(
    'ed',
    'good',
    200,
    ed((rig, body) => hexOf(ed25519(rig.trusted.key, body))),
  ),
  row(
    'ed',
    'by another key',
    401,
    ed((_, body) => hexOf(ed25519(stranger, body))),
  ),
  row(
    'ed',
    'of another body',
    401,
    ed((rig, body) => hexOf(ed25519(rig.trusted.key, `${body} `))),
  ),
  row(
    'ed',
    'one byte short',
    401,
    ed((rig, body) => hexOf(ed25519(rig.trusted.key, body)).slice(2)),
  ),
  row(
    'ed',
    'HMAC with the public key for the secret',
    401,
    ed((rig, body) => hmac(rig.trusted.publicBytes, body, 'hex')),
  ),
  row(
    'ed',
    'of zeros',
    401,
    ed(() => '0'.repeat(128)),
  ),
]

const keylessRows = (): SecurityCase[] => [
  row('keyless', 'its keys cannot be read, signed', 503, (_, body) => [
    'x-hub-signature-256',
    `sha256=${hmac('a key', body, 'hex')}`,
  ]),
  row('keyless', 'its keys cannot be read, unsigned', 503, () => []),
  securityCase('scheme keyless: readiness names it', 'keyless', async ({ schemes }) => {
    const { body } = await schemes.send({ method: 'GET', path: '/readyz', headers: [], raw: Buffer.alloc(0) })
    return /waiting for the keys of (\w+)/.exec(body)?.[1] ?? body
  }),
]

export const schemeCases = (): readonly SecurityCase[] => [
  ...listRows(),
  ...timestampRows(),
  ...pairRows(),
  ...prefixRows(),
  ...unitRows(),
  ...ed25519Rows(),
  ...keylessRows(),
]
