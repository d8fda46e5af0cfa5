import { createHmac, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto'

/**
 * A source as the suite signs for it: written from the providers' descriptions, sharing nothing with Weir's own
 * verifier.
 */
export interface SourceUnderTest {
  readonly name: string
  readonly path: string
  /** How the provider signs; undefined: it does not. */
  readonly scheme?: SignatureScheme
  /** What a request without, and with a wrong signature gets. */
  readonly statuses: { readonly missing: number; readonly invalid: number }
  /** What an authentic but malformed body gets. */
  readonly statusMalformed: number
  /** Members of a good body about the interaction `id`. */
  readonly members: (id: string) => Readonly<Record<string, unknown>>
}

export interface SignatureScheme {
  /** Lower case. */
  readonly header: string
  readonly encoding: 'hex' | 'base64'
  readonly prefix: string
  readonly secret: string
}

/** Not to be found in anything that the process writes. */
export const canarySecret = (name: string): string =>
  `canary-secret-${name}-${randomBytes(16).toString('hex')}`

/** The value of the signature's header. */
export const signatureOf = (
  { encoding, prefix, secret }: SignatureScheme,
  raw: Buffer,
  otherSecret: string = secret,
): string => prefix + createHmac('sha256', otherSecret).update(raw).digest(encoding)

/** Headers of a good request, names and values in turn. */
export const signedHeaders = ({ scheme }: SourceUnderTest, raw: Buffer): readonly string[] => [
  'content-type',
  'application/json',
  ...(scheme === undefined ? [] : [scheme.header, signatureOf(scheme, raw)]),
]

let lastId = 0
const RUN = randomBytes(4).toString('hex')

/** An interaction that no other case uses. */
export const freshId = (): string => `sec-${RUN}-${(lastId += 1)}`

/** A good body; `more` is JSON text of further members, written as it is. */
export const bodyOf = (source: SourceUnderTest, { id = freshId(), more = '' } = {}): Buffer => {
  const text = JSON.stringify(source.members(id))
  return Buffer.from(more === '' ? text : `${text.slice(0, -1)},${more}}`)
}

export interface Secrets {
  readonly cxoneOld: string
  readonly cxoneNew: string
  readonly dataAction: string
  readonly nice: string
  readonly cognigyToken: string
  readonly bodyHashKey: string
  /** `whsec_<base64>`. */
  readonly standard: string
  readonly stripe: string
  readonly slack: string
  readonly millis: string
  readonly consoleToken: string
  /** Was good once; no process has it. */
  readonly retired: string
}

/** Of a sender that signs with ed25519: the public half is configured. */
export interface SigningKey {
  readonly key: KeyObject
  /** The 32 bytes, as ed25519 has them. */
  readonly publicBytes: Buffer
}

export const freshSigningKey = (): SigningKey => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  return { key: privateKey, publicBytes: publicKey.export({ format: 'der', type: 'spki' }).subarray(-32) }
}

export const freshSecrets = (): Secrets => ({
  cxoneOld: canarySecret('cxone-old'),
  cxoneNew: canarySecret('cxone-new'),
  dataAction: canarySecret('dataaction'),
  nice: canarySecret('nice'),
  cognigyToken: canarySecret('cognigy'),
  bodyHashKey: canarySecret('body-hash'),
  standard: `whsec_${Buffer.from(canarySecret('standard')).toString('base64')}`,
  stripe: canarySecret('stripe'),
  slack: canarySecret('slack'),
  millis: canarySecret('millis'),
  consoleToken: canarySecret('console'),
  retired: canarySecret('retired'),
})

export interface SourcesUnderTest {
  /** Missing and wrong signatures get 401, malformed bodies 400: the rows of the table run here. */
  readonly strict: SourceUnderTest
  readonly cxone: SourceUnderTest
  readonly nice: SourceUnderTest
  readonly cognigy: SourceUnderTest
}

export const sourcesUnderTest = (secrets: Secrets): SourcesUnderTest => ({
  strict: {
    name: 'cxone-dataaction',
    path: '/webhooks/cxone-dataaction',
    scheme: {
      header: 'x-nice-webhook-signature',
      encoding: 'base64',
      prefix: '',
      secret: secrets.dataAction,
    },
    statuses: { missing: 401, invalid: 401 },
    statusMalformed: 400,
    members: (id) => ({ id, type: 'dataaction.completed' }),
  },
  cxone: {
    name: 'cxone',
    path: '/webhooks/cxone',
    scheme: { header: 'x-cxone-signature', encoding: 'hex', prefix: '', secret: secrets.cxoneNew },
    statuses: { missing: 400, invalid: 401 },
    statusMalformed: 200,
    members: (id) => ({
      interactionId: id,
      eventType: 'CALL_CONNECTED',
      timestamp: '2024-05-11T12:00:00.000Z',
      agentId: 'agent-1001',
      skill: 'Sales',
      direction: 'inbound',
      sequenceNumber: 1,
    }),
  },
  nice: {
    name: 'nice',
    path: '/webhooks/nice',
    scheme: { header: 'x-nice-signature', encoding: 'hex', prefix: '', secret: secrets.nice },
    statuses: { missing: 403, invalid: 401 },
    statusMalformed: 400,
    members: (id) => ({
      interactionId: id,
      dataActionId: 'da-1',
      updatedTimestamp: '2024-05-11T12:00:00Z',
      payload: { k: 'v' },
    }),
  },
  cognigy: {
    name: 'cognigy',
    path: '/webhooks/cognigy',
    statuses: { missing: 401, invalid: 403 },
    statusMalformed: 400,
    members: (id) => ({
      conversationId: id,
      sessionId: 'sess-1',
      intent: 'book_appointment',
      timestamp: 1_715_428_800_000,
      userId: 'usr-1',
    }),
  },
})
