import { COGNIGY_ADDRESS, PROXY_ADDRESS, type Rig } from '../../rig/rig.ts'
import { securityCase, type SecurityCase } from '../../security-case.ts'
import { bodyOf, signedHeaders, type SourcesUnderTest } from '../../source-under-test.ts'

interface Sent {
  readonly source: keyof SourcesUnderTest
  readonly raw?: Buffer
  readonly headers?: readonly string[]
  /** Instead of a good signature. */
  readonly signature?: string | undefined
  readonly from?: string
}

const post = async (
  rig: Rig,
  { source: name, raw, headers = [], signature, from }: Sent & { unsigned?: boolean },
) => {
  const source = rig.sources[name]
  const body = raw ?? bodyOf(source)
  const signed = signedHeaders(source, body)
  const own =
    signature === undefined
      ? signed
      : [...signed.slice(0, 2), ...(signature === '' ? [] : [source.scheme!.header, signature])]
  return rig.ingress.send({
    path: source.path,
    headers: [...own, ...headers],
    raw: body,
    ...(from && { from }),
  })
}

/** A response as a provider's client reads it. */
const answerCase = (name: string, expected: string, sentBy: (rig: Rig) => Sent): SecurityCase =>
  securityCase(`preset ${name}`, expected, async (rig) => {
    const { status, body } = await post(rig, sentBy(rig))
    return body === '' ? `${status} (empty)` : `${status} ${body}`
  })

const BROKEN = Buffer.from('{"broken":')
const authorised = ({ secrets }: Rig): readonly string[] => [
  'authorization',
  `Bearer ${secrets.cognigyToken}`,
]
const cognigy = (rig: Rig, members: object): Sent => ({
  source: 'cognigy',
  raw: Buffer.from(JSON.stringify({ ...rig.sources.cognigy.members('c-1'), ...members })),
  headers: authorised(rig),
  from: COGNIGY_ADDRESS,
})

const answers = (): SecurityCase[] => [
  answerCase('cxone: no signature', '400 (empty)', () => ({ source: 'cxone', signature: '' })),
  answerCase('cxone: wrong signature', '401 (empty)', () => ({ source: 'cxone', signature: '0'.repeat(64) })),
  answerCase(
    'cxone-dataaction: no signature',
    '401 {"detail":"Missing X-Nice-Webhook-Signature header"}',
    () => ({ source: 'strict', signature: '' }),
  ),
  answerCase('cxone-dataaction: wrong signature', '401 {"detail":"Invalid webhook signature"}', () => ({
    source: 'strict',
    signature: `${'A'.repeat(43)}=`,
  })),
  answerCase('cxone-dataaction: not JSON', '400 {"detail":"Malformed JSON"}', () => ({
    source: 'strict',
    raw: BROKEN,
  })),
  answerCase('cxone-dataaction: no id', '400 {"detail":"Missing required CXone fields: id, type"}', () => ({
    source: 'strict',
    raw: Buffer.from('{"type":"t"}'),
  })),
  answerCase('nice: no signature', '403 {"detail":"Missing webhook signature header"}', () => ({
    source: 'nice',
    signature: '',
  })),
  answerCase('nice: wrong signature', '401 {"detail":"Invalid webhook signature"}', () => ({
    source: 'nice',
    signature: '0'.repeat(64),
  })),
  answerCase('nice: not JSON', '400 {"detail":"Malformed JSON payload"}', () => ({
    source: 'nice',
    raw: BROKEN,
  })),
  answerCase(
    'cognigy: not JSON',
    '400 {"error":"Invalid JSON syntax in Cognigy webhook payload"}',
    (rig) => ({ ...cognigy(rig, {}), raw: BROKEN }),
  ),
  answerCase('cognigy: a field missing', '400 {"error":"Missing required field: intent"}', (rig) =>
    cognigy(rig, { intent: undefined }),
  ),
  answerCase(
    'cognigy: a field of another type',
    '400 {"error":"Type mismatch for timestamp. Expected number, got string"}',
    (rig) => cognigy(rig, { timestamp: '1' }),
  ),
]

const statusCase = (name: string, expected: number, sentBy: (rig: Rig) => Sent): SecurityCase =>
  securityCase(name, expected, async (rig) => (await post(rig, sentBy(rig))).status)

const forwarded = (addresses: string): readonly string[] => ['x-forwarded-for', addresses]

const addresses = (): SecurityCase[] => [
  statusCase('address: on the list, with the token', 200, (rig) => ({
    source: 'cognigy',
    headers: authorised(rig),
    from: COGNIGY_ADDRESS,
  })),
  statusCase('address: on the list, no token', 401, () => ({ source: 'cognigy', from: COGNIGY_ADDRESS })),
  statusCase('address: on the list, another token', 401, () => ({
    source: 'cognigy',
    headers: ['authorization', 'Bearer other'],
    from: COGNIGY_ADDRESS,
  })),
  statusCase('address: on the list, the token without Bearer', 401, ({ secrets }) => ({
    source: 'cognigy',
    headers: ['authorization', secrets.cognigyToken],
    from: COGNIGY_ADDRESS,
  })),
  statusCase('address: not on the list, with the token', 403, (rig) => ({
    source: 'cognigy',
    headers: authorised(rig),
  })),
  ...(['x-forwarded-for', 'x-real-ip', 'forwarded', 'true-client-ip', 'cf-connecting-ip'] as const).map(
    (header) =>
      statusCase(`address: not on the list, but in ${header}`, 403, (rig) => ({
        source: 'cognigy',
        headers: [
          ...authorised(rig),
          header,
          header === 'forwarded' ? `for=${COGNIGY_ADDRESS}` : COGNIGY_ADDRESS,
        ],
      })),
  ),
  statusCase('address: through the trusted proxy, on the list', 200, (rig) => ({
    source: 'cognigy',
    from: PROXY_ADDRESS,
    headers: [...authorised(rig), ...forwarded(COGNIGY_ADDRESS)],
  })),
  statusCase('address: through the trusted proxy, spoofed before it', 403, (rig) => ({
    source: 'cognigy',
    from: PROXY_ADDRESS,
    headers: [...authorised(rig), ...forwarded(`${COGNIGY_ADDRESS}, 192.0.2.1`)],
  })),
  statusCase('address: through the trusted proxy, header twice', 403, (rig) => ({
    source: 'cognigy',
    from: PROXY_ADDRESS,
    headers: [...authorised(rig), ...forwarded(COGNIGY_ADDRESS), ...forwarded('192.0.2.1')],
  })),
  statusCase('address: through the trusted proxy, no address', 403, (rig) => ({
    source: 'cognigy',
    from: PROXY_ADDRESS,
    headers: [...authorised(rig), ...forwarded('unknown')],
  })),
]

export const presetCases = (): readonly SecurityCase[] => [...answers(), ...addresses()]
