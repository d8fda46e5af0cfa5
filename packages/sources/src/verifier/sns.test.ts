import { EventEmitter } from 'node:events'
import { generateKeyPairSync, sign } from 'node:crypto'
import { createRequire } from 'node:module'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { openAccess } from '../access/source-access.ts'
import { PRESETS } from '../presets/index.ts'
import { parseSourcesFile } from '../sources-file/parse-sources-file.ts'
import { RequestHeaders } from './content/request-headers.ts'
import { createSnsVerifier, snsText } from './sns.ts'
import { sourceWarnings } from './warnings.ts'

const NOW = Date.parse('2026-01-31T12:00:00.000Z')
const TOPIC = 'arn:aws:sns:eu-west-1:123456789012:orders'
const PAIR = generateKeyPairSync('rsa', { modulusLength: 2048 })
const PEM = PAIR.publicKey.export({ format: 'pem', type: 'spki' }) as string
const VALID = { kind: 'valid', secret: 0 }
const invalid = (reason: string) => ({ kind: 'invalid', reason })

type Message = Readonly<Record<string, string | null>>
const NOTE: Message = {
  Type: 'Notification',
  MessageId: '22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324',
  TopicArn: TOPIC,
  Subject: 'My First Message',
  Message: 'Hello world!',
  Timestamp: '2026-01-31T12:00:00.000Z',
  SignatureVersion: '2',
  SigningCertURL: 'https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-f3.pem',
  UnsubscribeURL: 'https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe',
}
const ASK: Message = {
  ...NOTE,
  Type: 'SubscriptionConfirmation',
  Token: '2336412f',
  Message: 'You have chosen\nto subscribe',
  SubscribeURL: 'https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f',
}

/** As AWS describes it, in code of its own. */
const textOf = (message: Message): string =>
  (message.Type === 'Notification'
    ? ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type']
    : ['Message', 'MessageId', 'Subject', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type']
  )
    .filter((name) => typeof message[name] === 'string')
    .map((name) => `${name}\n${message[name]!}\n`)
    .join('')

const signed = (message: Message, key = PAIR.privateKey) => {
  const hash = message.SignatureVersion === '1' ? 'sha1' : 'sha256'
  return { ...message, Signature: sign(hash, Buffer.from(textOf(message)), key).toString('base64') }
}
const SPEC = { kind: 'sns', topics: [TOPIC] } as const
const judge = (message: object, now = NOW, spec: Parameters<typeof createSnsVerifier>[0] = SPEC) =>
  createSnsVerifier(spec, [PEM])(RequestHeaders.of({}), Buffer.from(JSON.stringify(message)), now)

/** The validator of AWS, with the certificate that it would fetch. */
const validate = (message: object): Promise<unknown> => {
  const load = createRequire(import.meta.url)
  const https = load('node:https') as typeof import('node:https')
  const get = vi.spyOn(https, 'get').mockImplementation(((_url: string, answer: (r: object) => void) => {
    const response = Object.assign(new EventEmitter(), { statusCode: 200 })
    queueMicrotask(() => {
      answer(response)
      response.emit('data', Buffer.from(PEM))
      response.emit('end')
    })
    return new EventEmitter()
  }) as unknown as typeof https.get)
  onTestFinished(() => get.mockRestore())
  const Validator = load('sns-validator') as new () => {
    validate: (hash: object, done: (error: Error | null) => void) => void
  }
  return new Promise((resolve) => new Validator().validate(message, resolve))
}

it.each([
  ['a notification', NOTE],
  ['one without a subject', { ...NOTE, Subject: null }],
  ['one that looks like another', { ...NOTE, Message: 'x\nMessageId\nother\nSubject\ny' }],
  ['a confirmation', { ...ASK, Subject: null }],
  ['a confirmation with a subject', ASK],
])("AWS' validator takes %s that is signed as here, and so does Weir", async (_, message) => {
  const whole = signed(message)
  expect(await validate({ ...whole })).toBeNull()
  expect(judge(whole)).toEqual(VALID)
  expect(await validate({ ...whole, Message: 'other' })).toBeInstanceOf(Error)
  expect(judge({ ...whole, Message: 'other' })).toEqual(invalid('no_match'))
})

it('accepts the unsubscribe confirmation with its token, as AWS documents it', () => {
  expect(judge(signed({ ...ASK, Type: 'UnsubscribeConfirmation' }))).toEqual(VALID)
})

it('accepts a byte order mark before the message, as other sources do', () => {
  const raw = Buffer.from(`\uFEFF${JSON.stringify(signed(NOTE))}`)
  expect(createSnsVerifier(SPEC, [PEM])(RequestHeaders.of({}), raw, NOW)).toEqual(VALID)
})

it('accepts any text, and no message with another value of a signed field', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'),
      fc.string(),
      (text, name, value) => {
        const whole = signed({ ...NOTE, Message: text.toWellFormed() })
        expect(judge(whole)).toEqual(VALID)
        fc.pre(value !== whole[name as keyof typeof whole])
        expect(judge({ ...whole, [name]: value }).kind).toBe('invalid')
      },
    ),
    { numRuns: 50 },
  )
})

it('signs different texts for different messages', () => {
  const genuine = signed({ ...NOTE, Subject: null, Message: 'a\nMessageId\nb\nSubject\nc' })
  const split = { ...genuine, Message: 'a', MessageId: 'b', Subject: `c\nMessageId\n${NOTE.MessageId!}` }
  expect(textOf(split)).toBe(textOf(genuine))
  expect(snsText(split)).toBeUndefined()
  expect(judge(split)).toEqual(invalid('malformed'))
})

describe('is refused', () => {
  it.each([
    ['another topic', { TopicArn: 'arn:aws:sns:eu-west-1:999999999999:orders' }, 'claim_mismatch'],
    ['a certificate from elsewhere', { SigningCertURL: 'https://evil.example/a.pem' }, 'claim_mismatch'],
    [
      'a host that looks alike',
      { SigningCertURL: 'https://sns.eu-west-1.amazonaws.com.evil.example/a.pem' },
      'claim_mismatch',
    ],
    ['without TLS', { SigningCertURL: 'http://sns.eu-west-1.amazonaws.com/a.pem' }, 'claim_mismatch'],
    [
      'a user in the address',
      { SigningCertURL: 'https://sns.a.amazonaws.com@evil.example/a.pem' },
      'claim_mismatch',
    ],
    ['an unknown version', { SignatureVersion: '3' }, 'malformed'],
    ['an unknown type', { Type: 'notification' }, 'malformed'],
    ['SHA-1 without being asked', { SignatureVersion: '1' }, 'no_match'],
    ['a day old', { Timestamp: '2026-01-30T11:59:59.000Z' }, 'timestamp_outside_tolerance'],
    ['without a time', { Timestamp: 'now' }, 'timestamp_malformed'],
  ])('%s', (_, part, reason) => {
    expect(judge(signed({ ...NOTE, ...part }))).toEqual(invalid(reason))
  })

  it('an unsigned message, one signed by another key, and a body that is not a message', () => {
    expect(judge(NOTE)).toEqual({ kind: 'missing' })
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    expect(judge(signed(NOTE, other))).toEqual(invalid('no_match'))
    for (const body of [[], 'text', 1, { ...signed(NOTE), MessageId: 1 }, { ...NOTE, Signature: 'AAAA' }])
      expect(judge(body as object)).toEqual(invalid('malformed'))
    const verifier = createSnsVerifier(SPEC, [PEM])
    for (const text of ['', '{', 'null', '\xff'])
      expect(verifier(RequestHeaders.of({}), Buffer.from(text, 'latin1'), NOW)).toEqual(invalid('malformed'))
  })
})

describe('in the sources file', () => {
  const parse = (entry: string) => parseSourcesFile(`version: 1\nsources:\n  s: { preset: sns, ${entry} }\n`)

  it('accepts SHA-1 only if that is configured, and warns', () => {
    const [source] = parse(`topics: ['${TOPIC}'], verifier: { allowSha1: true }`).sources
    expect(sourceWarnings(source!)).toEqual([expect.stringContaining('SHA-1')])
    expect(judge(signed({ ...NOTE, SignatureVersion: '1' }), NOW, { ...SPEC, allowSha1: true })).toEqual(
      VALID,
    )
    expect(sourceWarnings(parse(`topics: ['${TOPIC}']`).sources[0]!)).toEqual([])
  })

  it.each([
    ['', /needs `topics`/],
    ['topics: []', /at least one topic/],
    ['topics: [orders]', /must be the ARN of a topic/],
    [`topics: ['${TOPIC}'], verifier: { header: x-s }`, /only `allowSha1` can be set/],
  ])('names the problem of {%s}', (entry, message) => {
    expect(
      parse(entry)
        .problems.map((one) => one.message)
        .join(),
    ).toMatch(message)
  })

  it('needs certificates, and no other preset accepts topics', () => {
    expect(openAccess(PRESETS.sns, {}, () => '').access).toBeUndefined()
    expect(openAccess(PRESETS.sns, { SOURCE_SNS_SECRETS: 'no key at all' }, () => '').problems).toHaveLength(
      1,
    )
    const { problems } = parseSourcesFile(
      `version: 1\nsources:\n  s: { preset: custom, topics: ['${TOPIC}'] }\n`,
    )
    expect(problems[0]!.message).toMatch(/needs `preset: sns`/)
  })
})

it.each(['SubscriptionConfirmation', 'UnsubscribeConfirmation'])(
  'a %s becomes a letter that says what to do',
  (Type) => {
    const facts = { bodyHash: () => 'h', header: () => undefined }
    const result = PRESETS.sns.identify({ ...ASK, Type }, facts)
    expect(result).toMatchObject({
      kind: 'problem',
      problem: {
        detail: expect.stringContaining('open the SubscribeURL in the body of this letter') as string,
      },
    })
    expect(JSON.stringify(result)).not.toContain('2336412f')
  },
)
