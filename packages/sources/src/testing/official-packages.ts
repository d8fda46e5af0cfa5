import { generateKeyPairSync } from 'node:crypto'
import { EventWebhook } from '@sendgrid/eventwebhook'
import { sign as signAsGitHub, verify as verifyAsGitHub } from '@octokit/webhooks-methods'
import { verifySlackRequest } from '@slack/bolt'
import { AwsLambdaReceiver } from '@zoom/rivet/users'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import Stripe from 'stripe'
import { Webhook as SvixWebhook } from 'svix'
import twilio from 'twilio'
import { PRESETS, type PresetName } from '../presets/index.ts'
import type { RequestLine } from '../verifier/content/request-line.ts'
import { isSignature, type SignatureSpec } from '../verifier/spec.ts'

/** A request as a provider sends it. Header names are in lower case. */
export interface SignedRequest {
  readonly raw: Buffer
  readonly headers: Readonly<Record<string, string>>
  readonly line?: RequestLine
}

/** One package of a provider, or of someone who maintains a client of it, that signs requests or verifies them. */
export interface OfficialPackage {
  readonly name: string
  readonly preset: PresetName
  readonly spec: SignatureSpec
  /** The secret, or the public key, with which Weir verifies. */
  readonly secret: string
  /** The private key, where the secret does not sign. */
  readonly privateKey?: string
  /** The target and the headers with which Weir signs. */
  readonly line?: RequestLine
  readonly unsigned?: Readonly<Record<string, string>>
  /** Makes a body that the provider could send out of any JSON text. */
  readonly bodyOf?: (json: string) => string
  /** Absent: the package only verifies. */
  readonly sign?: (raw: Buffer, now: number) => SignedRequest | Promise<SignedRequest>
  /** May throw instead of returning false. */
  readonly verify: (request: SignedRequest) => unknown
}

export const specOf = (name: PresetName): SignatureSpec => {
  const { verifier } = PRESETS[name]
  if (!isSignature(verifier)) throw new TypeError(`${name} does not sign`)
  return verifier
}

export const SECRET = 'a-secret-of-your-own-choice'
const WHSEC = `whsec_${btoa(SECRET)}`
export const seconds = (now: number): string => String(Math.floor(now / 1_000))

/** Standard Webhooks under each of its two names for the headers. */
const standard = (
  name: string,
  preset: 'standard-webhooks' | 'svix',
  library: Pick<StandardWebhook, 'sign' | 'verify'>,
): OfficialPackage => {
  const prefix = preset === 'svix' ? 'svix' : 'webhook'
  return {
    name,
    preset,
    spec: specOf(preset),
    secret: WHSEC,
    sign: (raw, now) => ({
      raw,
      headers: {
        [`${prefix}-id`]: 'msg_1',
        [`${prefix}-timestamp`]: seconds(now),
        [`${prefix}-signature`]: library.sign('msg_1', new Date(now), raw.toString()),
      },
    }),
    verify: ({ raw, headers }) => {
      library.verify(raw.toString(), { ...headers })
      return true
    },
  }
}

const stripe = (): OfficialPackage => {
  const { webhooks } = new Stripe('sk_test_none')
  return {
    name: 'stripe',
    preset: 'stripe',
    spec: specOf('stripe'),
    secret: SECRET,
    sign: (raw, now) => ({
      raw,
      headers: {
        'stripe-signature': webhooks.generateTestHeaderString({
          payload: raw.toString(),
          secret: SECRET,
          timestamp: Number(seconds(now)),
        }),
      },
    }),
    verify: ({ raw, headers }) => {
      webhooks.constructEvent(raw.toString(), headers['stripe-signature']!, SECRET)
      return true
    },
  }
}

const github: OfficialPackage = {
  name: '@octokit/webhooks-methods',
  preset: 'github',
  spec: specOf('github'),
  secret: SECRET,
  sign: async (raw) => ({
    raw,
    headers: { 'x-hub-signature-256': await signAsGitHub(SECRET, raw.toString()) },
  }),
  verify: ({ raw, headers }) => verifyAsGitHub(SECRET, raw.toString(), headers['x-hub-signature-256']!),
}

const slack: OfficialPackage = {
  name: '@slack/bolt',
  preset: 'slack',
  spec: specOf('slack'),
  secret: SECRET,
  verify: ({ raw, headers }) => {
    verifySlackRequest({
      signingSecret: SECRET,
      body: raw.toString(),
      headers: {
        'x-slack-signature': headers['x-slack-signature']!,
        'x-slack-request-timestamp': Number(headers['x-slack-request-timestamp']),
      },
    })
    return true
  },
}

const sendgrid = (): OfficialPackage => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const secret = publicKey.export({ format: 'der', type: 'spki' }).toString('base64')
  const library = new EventWebhook()
  const key = library.convertPublicKeyToECDSA(secret)
  return {
    name: '@sendgrid/eventwebhook',
    preset: 'sendgrid',
    spec: specOf('sendgrid'),
    secret,
    privateKey: privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
    verify: ({ raw, headers }) =>
      library.verifySignature(
        key,
        raw,
        headers['x-twilio-email-event-webhook-signature']!,
        headers['x-twilio-email-event-webhook-timestamp']!,
      ),
  }
}

const twilioForms = (): OfficialPackage => {
  const publicUrl = 'https://hooks.example.com'
  const line: RequestLine = { method: 'POST', target: '/webhooks/twilio?account=1' }
  const unsigned = { 'content-type': 'application/x-www-form-urlencoded; charset=UTF-8' }
  const paramsOf = (raw: Buffer) => Object.fromEntries(new URLSearchParams(raw.toString()))
  const url = publicUrl + line.target
  return {
    name: 'twilio',
    preset: 'twilio',
    spec: { ...specOf('twilio'), allowSha1: true, publicUrl },
    secret: SECRET,
    line,
    unsigned,
    bodyOf: (json) => new URLSearchParams({ Body: json, From: '+15551234567' }).toString(),
    sign: (raw) => ({
      raw,
      line,
      headers: {
        ...unsigned,
        'x-twilio-signature': twilio.getExpectedTwilioSignature(SECRET, url, paramsOf(raw)),
      },
    }),
    verify: ({ raw, headers }) =>
      twilio.validateRequest(SECRET, headers['x-twilio-signature']!, url, paramsOf(raw)),
  }
}

const zoom = (): OfficialPackage => {
  const receive = new AwsLambdaReceiver({ webhooksSecretToken: SECRET }).start() as unknown as (
    event: object,
    context: object,
  ) => Promise<{ readonly statusCode: number }>
  return {
    name: '@zoom/rivet',
    preset: 'zoom',
    spec: specOf('zoom'),
    secret: SECRET,
    // The package verifies what JSON.stringify makes of the parsed body.
    bodyOf: (json) => JSON.stringify({ event: 'meeting.started', payload: JSON.parse(json) as unknown }),
    verify: async ({ raw, headers }) => {
      const { statusCode } = await receive({ headers, body: raw.toString(), isBase64Encoded: false }, {})
      return statusCode === 200
    },
  }
}

/** From npm. */
export const OFFICIAL_PACKAGES: readonly OfficialPackage[] = [
  standard('standardwebhooks', 'standard-webhooks', new StandardWebhook(WHSEC)),
  standard('svix', 'svix', new SvixWebhook(WHSEC)),
  stripe(),
  github,
  slack,
  sendgrid(),
  twilioForms(),
  zoom(),
]
