import { z } from 'zod'
import { ACCEPTED_PROFILES, REFUSAL_PROFILES } from '../answers.ts'
import { CERTIFICATE_FORMS } from '../certificate/certificate-spec.ts'
import { JSON_SUFFIX_TYPE } from '../content.ts'
import { HANDSHAKES } from '../handshakes/handshake.ts'
import { JWT_ALGORITHMS } from '../jwt/jwt-spec.ts'
import { PRESETS, type PresetName } from '../presets/index.ts'
import type { AlgorithmName } from '../verifier/spec.ts'

const NAME = /^[a-z][a-z0-9-]{0,39}$/
const HEADER = /^[a-z0-9-]{1,64}$/
const MEDIA_TYPE = /^(?:[\w.+-]+\/[\w.+-]+|application\/\*\+json)$/
const PATH = /^\/[A-Za-z0-9_~.-]+(?:\/[A-Za-z0-9_~.-]+)*$/
/** Paths that ingress serves itself. */
const OWN_PATHS = new Set(['/livez', '/readyz', '/metrics'])
/** Without wildcards, filters or array indexes, because there is only one array. */
const SPLIT = /^(?:\$|(?:\$\.)?[^.$[\]*\s]+(?:\.[^.$[\]*\s]+)*)$/
const ORIGIN = /^(?:\*|[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)$/
/** Without credentials or anything else that must not reach a log. */
const HTTP_URL = /^https?:\/\/[^\s@?#]+(?:\?[^\s@#]*)?$/
const JWT_VALUES_MAX = 20
const TOPIC_ARN = /^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[\w-]{1,256}(?:\.fifo)?$/
const TOPICS_MAX = 100
const FIELDS_MAX = 200
const CIDRS_MAX = 1_000
const IDENTITIES_MAX = 100

const PRESET_NAMES = Object.keys(PRESETS) as [PresetName, ...PresetName[]]

const whole = (min: number, max: number) =>
  z
    .number(`must be a whole number from ${min} to ${max}`)
    .check(
      z.refine((value) => Number.isInteger(value) && value >= min && value <= max, {
        error: `must be a whole number from ${min} to ${max}`,
      }),
    )
const oneOf = <const V extends readonly [string, ...string[]]>(values: V) =>
  z.enum(values, `must be one of ${values.join(', ')}`)
const text = (what: string) => z.string(`must be ${what}`).min(1, `must be ${what}`).max(1_024, 'is too long')
const header = z
  .string('must be the name of a header')
  .toLowerCase()
  .regex(HEADER, 'must be the name of a header')
const dotted = text('a dotted path such as data.id')

const ALGORITHMS = [
  'sha256',
  'sha512',
  'ed25519',
  'ecdsa-p256',
  'rsa-sha256',
  'sha1',
  'rsa-sha1',
] as const satisfies AlgorithmName[]

const timestamp = z
  .strictObject({
    header: header.optional().describe('The header that has it.'),
    pair: text('a label').optional().describe('With `form: pairs`: the label that has it.'),
    unit: oneOf(['s', 'ms', 'iso'])
      .optional()
      .describe('Seconds or milliseconds since 1970, or an ISO 8601 time with its zone. Default `s`.'),
    toleranceSecs: whole(1, 86_400)
      .optional()
      .describe('The farthest that it may be from the own clock, either way. Default 300.'),
  })
  .describe('When it was sent. It must be part of what is signed.')

const verifier = z
  .strictObject({
    header: header.optional().describe('The header with the signature.'),
    algorithm: oneOf(ALGORITHMS)
      .optional()
      .describe(
        'HMAC with SHA-256, SHA-512 or SHA-1, or a way with a key pair: then the secrets are public keys or certificates.',
      ),
    allowSha1: z
      .boolean('must be true or false')
      .optional()
      .describe('`true`: takes SHA-1, which is broken, and warns at every start. Default false.'),
    encoding: oneOf(['hex', 'base64', 'base64url']).optional().describe('How its bytes are written.'),
    prefix: z
      .string('must be text')
      .max(32, 'is too long')
      .optional()
      .describe('Text before the signature, such as `sha256=`.'),
    form: oneOf(['single', 'list', 'pairs'])
      .optional()
      .describe(
        '`single`: one signature. `list`: `label,signature` with spaces between. `pairs`: `label=signature` with the separator between. White space, other labels and entries that cannot be read are ignored.',
      ),
    separator: oneOf([',', ';']).optional().describe('What is between `pairs`. Default a comma.'),
    label: text('a label').optional().describe('Which entries of `list` and `pairs` are taken.'),
    content: text('what is signed')
      .optional()
      .describe(
        'What is signed: `{body}` once (or `{body-sha256}`, `{body-crc32}`, or Twilio’s `{form}`; for the last two anybody can make other bodies that are signed alike) and, where they are signed, `{timestamp}`, `{id}`, `{method}`, `{url}`, `{url-decoded}` (HubSpot’s way), `{header:<name>}`.',
      ),
    publicUrl: text('an address such as https://hooks.example.com')
      .optional()
      .describe(
        'For `{url}` and `{form}`: the address that the provider calls. Without a path, the path of each request is taken; the query always is.',
      ),
    secretEncoding: oneOf(['utf8', 'hex', 'base64', 'whsec'])
      .optional()
      .describe("How a secret's text becomes the key; `whsec` is `whsec_<base64>`."),
    idHeader: header.optional().describe('The header of `{id}`.'),
    timestamp: timestamp.optional(),
  })
  .describe('What differs from the preset’s way of signing.')

const textOrList = (what: string) =>
  z
    .union([text(what), z.array(text(what)).min(1).max(JWT_VALUES_MAX)], {
      error: `must be ${what}, or a list of such`,
    })
    .transform((value) => (typeof value === 'string' ? [value] : value))

const jwt = z
  .strictObject({
    algorithms: z
      .array(oneOf(JWT_ALGORITHMS), 'must be a list')
      .min(1, 'must have at least one algorithm')
      .max(JWT_ALGORITHMS.length)
      .describe(
        '`RS256`, `ES256`, or `HS256` alone. A token that names another one is refused, whatever its key.',
      ),
    issuer: textOrList('what `iss` must be').describe('What `iss` must be; a list: one of these.'),
    audience: textOrList('what `aud` must have').describe(
      'What `aud` must be or have; a list: one of these.',
    ),
    toleranceSecs: whole(0, 600)
      .optional()
      .describe('How far the clocks may be apart for `exp`, which must be there, and `nbf`. Default 60.'),
    claims: z
      .record(text('a claim'), textOrList('the value of a claim'), 'must be a map of claims to values')
      .check(z.refine((claims) => Object.keys(claims).length <= 20, { error: 'may have at most 20 claims' }))
      .optional()
      .describe('Claims that a token must have, each with its value or one of a list, such as `appid`.'),
    bodyHashClaim: text('a claim')
      .optional()
      .describe(
        'The claim with the SHA-256 of the body, in hex or base64. Without it a token is good for any body until it expires.',
      ),
    jwksUrl: text('an address such as https://login.example.com/keys')
      .regex(HTTP_URL, 'must be an https:// address')
      .optional()
      .describe(
        'Where the provider publishes its keys; `http://` is for `WEIR_PROFILE=dev` alone. Without it `SOURCE_<NAME>_JWT_KEYS` has them.',
      ),
  })
  .describe('Requests must have a JWT as bearer token: see [Tokens](#tokens).')

const clientCertificate = z
  .strictObject({
    header: header.describe(
      'The header in which the proxy says which certificate it has seen. The proxy must overwrite what a client sends there.',
    ),
    form: oneOf(CERTIFICATE_FORMS).describe(
      '`xfcc`: Envoy’s `X-Forwarded-Client-Cert`. `subject`: the DN. `fingerprint`: the SHA-256 in hex, with colons or without.',
    ),
    identities: z
      .array(text('an identity'), 'must be a list of identities')
      .min(1, 'must have at least one identity')
      .max(IDENTITIES_MAX, `may have at most ${IDENTITIES_MAX} identities`)
      .describe(
        'Who may send. With `xfcc`: `URI=`, `DNS=`, `Subject=` or `Hash=`, and the value. Compared exactly.',
      ),
  })
  .describe(
    'Requests must come through a trusted proxy that has seen one of these client certificates: see [Client certificates](#client-certificates).',
  )

const keys = {
  entityKey: text('a template such as {data.id}')
    .optional()
    .describe('What events belong to: those of one entity keep their order. A template.'),
  eventType: text('a template such as {type}').optional().describe('A template, or a fixed text.'),
  dedupKey: text('a template such as {id}:{type}')
    .optional()
    .describe(
      'What makes two deliveries the same event: a template, its parts separated by `:`. A part that is missing is replaced by the hash of the body, and counted.',
    ),
  sequence: dotted.optional().describe('Dotted path of a number that grows within an entity.'),
}

const responses = z.union(
  [
    oneOf(REFUSAL_PROFILES),
    z.strictObject({
      refused: oneOf(REFUSAL_PROFILES).optional(),
      accepted: oneOf(ACCEPTED_PROFILES).optional(),
    }),
  ],
  { error: `must be one of ${REFUSAL_PROFILES.join(', ')}, or {refused, accepted} of these` },
)

export const sourceSchema = z.strictObject({
  preset: oneOf(PRESET_NAMES).describe('What to start from.'),
  paths: z
    .array(
      z
        .string('must be a path')
        .max(256, 'is too long')
        .regex(PATH, 'must be a path such as /webhooks/name, of letters, digits, and - _ . ~')
        .check(z.refine((path) => !OWN_PATHS.has(path), { error: 'is a path of ingress itself' })),
      'must be a list of paths',
    )
    .min(1, 'must have at least one path')
    .max(20, 'may have at most 20 paths')
    .optional()
    .describe('Paths that deliver to it. Default `/webhooks/<name>`; a built-in source keeps its own.'),
  verifier: verifier.optional(),
  topics: z
    .array(
      text('the ARN of a topic').regex(TOPIC_ARN, 'must be the ARN of a topic'),
      'must be a list of ARNs',
    )
    .min(1, 'must have at least one topic')
    .max(TOPICS_MAX, `may have at most ${TOPICS_MAX} topics`)
    .optional()
    .describe('With `preset: sns`, which needs it: the topics whose messages are taken.'),
  jwt: jwt.optional(),
  clientCertificate: clientCertificate.optional(),
  unsigned: z
    .boolean('must be true or false')
    .optional()
    .describe(
      '`true`: requests without a signature are taken as well. Those with one must still be good. Default false.',
    ),
  cidrs: z
    .array(text('an address or a CIDR range'), 'must be a list of addresses and CIDR ranges')
    .max(CIDRS_MAX, `may have at most ${CIDRS_MAX} ranges`)
    .optional()
    .describe(
      'Requests must come from one of these addresses or CIDR ranges, or from those of the environment.',
    ),
  ...keys,
  split: text('$ or a path such as $.events')
    .regex(SPLIT, 'must be $ for a body that is an array, or a path of names to one, such as $.events')
    .optional()
    .describe(
      'The body is a batch: `$`, or a path such as `$.events` or `data.items` to an array of which each element is an event of its own. Default: the preset’s, else a body is one event.',
    ),
  splitItemsMax: whole(1, 10_000)
    .optional()
    .describe('Most elements of one batch; more get 413. Default the preset’s, else 1000.'),
  handshake: z
    .union([oneOf(HANDSHAKES), z.array(oneOf(HANDSHAKES), 'must be a list').max(HANDSHAKES.length)], {
      error: `must be one of ${HANDSHAKES.join(', ')}, or a list of these`,
    })
    .optional()
    .describe(
      'How the provider asks whether it may send; answered, and never an event. Default the preset’s.',
    ),
  handshakeOrigins: z
    .array(
      z.string('must be a DNS name').toLowerCase().regex(ORIGIN, 'must be a DNS name, or * for all'),
      'must be a list of DNS names',
    )
    .max(100, 'may have at most 100 origins')
    .optional()
    .describe('With `handshake: cloudevents`: the senders that may ask, or `*`.'),
  requireSequence: z
    .boolean('must be true or false')
    .optional()
    .describe('`true`: an event without a sequence number is malformed. Default false.'),
  unknownFields: oneOf(['evolve', 'ignore', 'reject'])
    .optional()
    .describe(
      'Top-level fields that are not known: `evolve` makes a new shape version of them, `ignore` does not, `reject` makes a dead letter. Default `evolve`.',
    ),
  knownFields: z
    .array(text('a field'), 'must be a list of fields')
    .max(FIELDS_MAX, `may have at most ${FIELDS_MAX} fields`)
    .optional()
    .describe('With `unknownFields: reject`: the top-level fields that are known.'),
  volatileFields: z
    .array(dotted, 'must be a list of dotted paths')
    .max(FIELDS_MAX, `may have at most ${FIELDS_MAX} fields`)
    .optional()
    .describe(
      'Dotted paths of what differs between a delivery and its retry (attempt counters, sent-at), so that a retry is no conflict.',
    ),
  onInvalid: oneOf(['accept-dlq', 'reject-400'])
    .optional()
    .describe('Answer to authentic bodies that are malformed: 200, or 400. Both become dead letters.'),
  responseProfile: responses
    .optional()
    .describe(
      'Whose literal statuses and texts are answered: one name, or one for refusals and one for the 2xx (`accepted` may be `nice-accepted` or `slack` too). Default: the preset’s own refusals and Weir’s 2xx.',
    ),
  dedupWindowSecs: whole(1, 2_592_000)
    .optional()
    .describe(
      'How long the provider may still repeat an event. Dedup does not start with a shorter `DEDUP_WINDOW_SECS`: give it the same `SOURCES_FILE`.',
    ),
  contentTypes: z
    .array(
      z
        .string('must be a media type')
        .toLowerCase()
        .regex(MEDIA_TYPE, `must be a media type such as text/plain, or ${JSON_SUFFIX_TYPE}`),
      'must be a list of media types',
    )
    .min(1, 'must have at least one media type')
    .max(20, 'may have at most 20 media types')
    .optional()
    .describe(
      `Media types that are taken, without parameters, instead of the preset’s; \`${JSON_SUFFIX_TYPE}\` stands for all of its kind. Whatever the type, the body must be JSON, or a form. Default \`application/json\`, \`${JSON_SUFFIX_TYPE}\` and, with \`form\`, \`application/x-www-form-urlencoded\`.`,
    ),
  form: oneOf(['json', 'payload', 'fields'])
    .optional()
    .describe(
      'What a body of `application/x-www-form-urlencoded` is. `json`: JSON under a wrong name. `payload`: a form whose field `payload` is JSON. `fields`: a form that becomes an object of texts, and of lists of texts for fields that come more than once.',
    ),
  acceptEncodings: z
    .array(oneOf(['gzip', 'deflate']), 'must be a list of gzip and deflate')
    .max(2, 'may have two')
    .optional()
    .describe(
      'Compressed bodies that are taken. The signature is over the bytes as they are sent; what they hold may be as large as a body, and at most 100 times as large as they are. Default none.',
    ),
  bodyBytesMax: whole(1_024, 900_000).optional().describe('Largest body. Default `INGRESS_BODY_BYTES_MAX`.'),
  requestBudgetMs: whole(100, 60_000)
    .optional()
    .describe(
      'Without an acknowledgement of the brokers in this time a request gets 503. Default the preset’s, at most `INGRESS_REQUEST_BUDGET_MS`.',
    ),
  concurrency: whole(1, 10_000)
    .optional()
    .describe(
      'Authentic requests that may be under way at a time; more get 429 with `Retry-After`. Default: as many as come.',
    ),
  rate: z
    .strictObject({
      perSec: whole(1, 1_000_000).describe('Requests per second in the long run.'),
      burst: whole(1, 1_000_000)
        .optional()
        .describe('Requests that may come at once. Default twice `perSec`.'),
    })
    .optional()
    .describe('More requests get 429 with `Retry-After`. Default `INGRESS_RATE_PER_SEC`.'),
  guardContent: z
    .boolean('must be true or false')
    .optional()
    .describe(
      '`true`: what was signed and comes again under another dedup key is a dead letter, `content_repeated`. Default true where the key can come from a header that is not signed, and with `{body-crc32}` and `{form}`.',
    ),
  shadow: z
    .boolean('must be true or false')
    .optional()
    .describe(
      '`true`: finds out and reports which way of signing a refused request would have matched. Default false.',
    ),
})

export const sourcesFileSchema = z.strictObject({
  version: z.literal(1, 'must be 1'),
  builtIn: z
    .boolean('must be true or false')
    .optional()
    .describe('`false`: of the sources that need no file, only those that this file names. Default true.'),
  sources: z
    .record(
      z
        .string()
        .regex(NAME, 'must be a name of lower-case letters, digits and -, at most 40')
        .check(
          z.refine((name) => name !== 'unknown', {
            error: 'is the name under which requests to no source are counted',
          }),
        ),
      sourceSchema,
      'must be a map of names to sources',
    )
    .check(
      z.refine((sources) => Object.keys(sources).length > 0, { error: 'must have at least one source' }),
    ),
})

export type SourceEntry = z.output<typeof sourceSchema>
