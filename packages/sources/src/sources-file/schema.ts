import { z } from 'zod'
import { ACCEPTED_PROFILES, REFUSAL_PROFILES } from '../responses.ts'
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
    header: header.optional().describe('The header that carries the timestamp.'),
    pair: text('a label').optional().describe('With `form: pairs`: the label of the timestamp.'),
    unit: oneOf(['s', 'ms', 'iso'])
      .optional()
      .describe('Seconds or milliseconds since 1970, or an ISO 8601 time with a time zone. Default `s`.'),
    toleranceSecs: whole(1, 86_400)
      .optional()
      .describe(
        'How far the timestamp may differ from the clock of ingress, in either direction. Default 300.',
      ),
  })
  .describe('When the request was sent. The timestamp must be part of the signed content.')

const verifier = z
  .strictObject({
    header: header.optional().describe('The header that carries the signature.'),
    algorithm: oneOf(ALGORITHMS)
      .optional()
      .describe(
        'HMAC with SHA-256, SHA-512 or SHA-1, or an algorithm with a key pair, whose secrets are public keys or certificates.',
      ),
    allowSha1: z
      .boolean('must be true or false')
      .optional()
      .describe('`true`: accepts SHA-1, which is broken, and warns at every start. Default false.'),
    encoding: oneOf(['hex', 'base64', 'base64url']).optional().describe('How the signature is encoded.'),
    prefix: z
      .string('must be text')
      .max(32, 'is too long')
      .optional()
      .describe('Text before the signature, such as `sha256=`.'),
    form: oneOf(['single', 'list', 'pairs'])
      .optional()
      .describe(
        '`single`: one signature. `list`: entries of `label,signature`, separated by spaces. `pairs`: entries of `label=signature`, separated by `separator`. White space, other labels and unreadable entries are ignored.',
      ),
    separator: oneOf([',', ';']).optional().describe('What separates `pairs`. Default a comma.'),
    label: text('a label')
      .optional()
      .describe('The label of the entries in `list` and `pairs` that are checked.'),
    content: text('what is signed')
      .optional()
      .describe(
        'The signed content. It must contain exactly one of `{body}`, `{body-sha256}`, `{body-crc32}` and Twilio’s `{form}`, and may contain `{timestamp}`, `{id}`, `{method}`, `{url}`, `{url-decoded}` (as HubSpot decodes it) and `{header:<name>}`. With `{body-crc32}` and `{form}` anyone can construct a different body with the same signature.',
      ),
    publicUrl: text('an address such as https://hooks.example.com')
      .optional()
      .describe(
        'For `{url}` and `{form}`: the URL that the provider calls. If it has no path, the path of each request is used. The query of the request is always used.',
      ),
    secretEncoding: oneOf(['utf8', 'hex', 'base64', 'whsec'])
      .optional()
      .describe('How the text of a secret is decoded to the key. `whsec` is `whsec_<base64>`.'),
    idHeader: header.optional().describe('The header that `{id}` stands for.'),
    timestamp: timestamp.optional(),
  })
  .describe('Overrides of the preset’s signature scheme.')

const textOrList = (what: string) =>
  z
    .union([text(what), z.array(text(what)).min(1).max(JWT_VALUES_MAX)], {
      error: `must be ${what}, or a list of these`,
    })
    .transform((value) => (typeof value === 'string' ? [value] : value))

const jwt = z
  .strictObject({
    algorithms: z
      .array(oneOf(JWT_ALGORITHMS), 'must be a list')
      .min(1, 'must have at least one algorithm')
      .max(JWT_ALGORITHMS.length)
      .describe('`RS256` and `ES256`, or `HS256` alone. A token with any other algorithm is refused.'),
    issuer: textOrList('what `iss` must be').describe('The required `iss`, or a list of accepted values.'),
    audience: textOrList('what `aud` must have').describe(
      'The value that `aud` must equal or contain, or a list of accepted values.',
    ),
    toleranceSecs: whole(0, 600)
      .optional()
      .describe('Clock skew that is tolerated for `exp` and `nbf`. A token must have `exp`. Default 60.'),
    claims: z
      .record(text('a claim'), textOrList('the value of a claim'), 'must be a map of claims to values')
      .check(z.refine((claims) => Object.keys(claims).length <= 20, { error: 'may have at most 20 claims' }))
      .optional()
      .describe(
        'Claims that a token must have, such as `appid`, each with its value or a list of accepted values.',
      ),
    bodyHashClaim: text('a claim')
      .optional()
      .describe(
        'The claim with the SHA-256 of the body, in hex or base64. If it is not set, a token is valid for any body until it expires.',
      ),
    jwksUrl: text('an address such as https://login.example.com/keys')
      .regex(HTTP_URL, 'must be an https:// address')
      .optional()
      .describe(
        'The URL at which the provider publishes its keys. `http://` is allowed only with `WEIR_PROFILE=dev`. If it is not set, the keys are read from `SOURCE_<NAME>_JWT_KEYS`.',
      ),
  })
  .describe('Requests must carry a JWT as bearer token: see [Tokens](#tokens).')

const clientCertificate = z
  .strictObject({
    header: header.describe(
      'The header in which the proxy reports the client’s certificate. The proxy must overwrite this header if a client sends it.',
    ),
    form: oneOf(CERTIFICATE_FORMS).describe(
      '`xfcc`: Envoy’s `X-Forwarded-Client-Cert`. `subject`: the DN. `fingerprint`: the SHA-256 in hex, with or without colons.',
    ),
    identities: z
      .array(text('an identity'), 'must be a list of identities')
      .min(1, 'must have at least one identity')
      .max(IDENTITIES_MAX, `may have at most ${IDENTITIES_MAX} identities`)
      .describe(
        'The certificates that may send, compared exactly. With `xfcc`, write `URI=`, `DNS=`, `Subject=` or `Hash=` and the value.',
      ),
  })
  .describe(
    'Requests must come through a trusted proxy that reports one of these client certificates: see [Client certificates](#client-certificates).',
  )

const keys = {
  entityKey: text('a template such as {data.id}')
    .optional()
    .describe('The entity that an event belongs to, as a template. Events of one entity keep their order.'),
  eventType: text('a template such as {type}')
    .optional()
    .describe('The event’s type: a template, or a fixed text.'),
  dedupKey: text('a template such as {id}:{type}')
    .optional()
    .describe(
      'Deliveries with the same key are one event. A template with its parts separated by `:`. The hash of the body replaces a missing part, and a metric counts this.',
    ),
  sequence: dotted.optional().describe('Dotted path of a number that increases within an entity.'),
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
  preset: oneOf(PRESET_NAMES).describe('The preset that this source starts from.'),
  paths: z
    .array(
      z
        .string('must be a path')
        .max(256, 'is too long')
        .regex(PATH, 'must be a path such as /webhooks/name, of letters, digits, and - _ . ~')
        .check(z.refine((path) => !OWN_PATHS.has(path), { error: 'is one of ingress’ own paths' })),
      'must be a list of paths',
    )
    .min(1, 'must have at least one path')
    .max(20, 'may have at most 20 paths')
    .optional()
    .describe(
      'Request paths of the source. Default `/webhooks/<name>`. A built-in source keeps its own paths.',
    ),
  verifier: verifier.optional(),
  topics: z
    .array(
      text('the ARN of a topic').regex(TOPIC_ARN, 'must be the ARN of a topic'),
      'must be a list of ARNs',
    )
    .min(1, 'must have at least one topic')
    .max(TOPICS_MAX, `may have at most ${TOPICS_MAX} topics`)
    .optional()
    .describe('Required with `preset: sns`: the topics whose messages are accepted.'),
  jwt: jwt.optional(),
  clientCertificate: clientCertificate.optional(),
  unsigned: z
    .boolean('must be true or false')
    .optional()
    .describe(
      '`true`: accepts requests without a signature too. A signature that is present must still be valid. Default false.',
    ),
  cidrs: z
    .array(text('an address or a CIDR range'), 'must be a list of addresses and CIDR ranges')
    .max(CIDRS_MAX, `may have at most ${CIDRS_MAX} ranges`)
    .optional()
    .describe(
      'Requests must come from one of these addresses or CIDR ranges, or from one of those in `SOURCE_<NAME>_CIDRS`.',
    ),
  ...keys,
  split: text('$ or a path such as $.events')
    .regex(SPLIT, 'must be $ for a body that is an array, or a path of names to one, such as $.events')
    .optional()
    .describe(
      'The body is a batch: `$`, or a path such as `$.events` or `data.items` to an array. Each element is a separate event. Default: the preset’s, or else a body is one event.',
    ),
  splitItemsMax: whole(1, 10_000)
    .optional()
    .describe(
      'The largest number of elements in a batch. A larger batch gets 413. Default: the preset’s, or else 1000.',
    ),
  handshake: z
    .union([oneOf(HANDSHAKES), z.array(oneOf(HANDSHAKES), 'must be a list').max(HANDSHAKES.length)], {
      error: `must be one of ${HANDSHAKES.join(', ')}, or a list of these`,
    })
    .optional()
    .describe(
      'The handshake by which the provider validates the endpoint. Ingress responds to it and never makes an event of it. Default: the preset’s.',
    ),
  handshakeOrigins: z
    .array(
      z.string('must be a DNS name').toLowerCase().regex(ORIGIN, 'must be a DNS name, or * for all'),
      'must be a list of DNS names',
    )
    .max(100, 'may have at most 100 origins')
    .optional()
    .describe('With `handshake: cloudevents`: the origins that may send, or `*` for all.'),
  requireSequence: z
    .boolean('must be true or false')
    .optional()
    .describe('`true`: treats an event without a sequence number as malformed. Default false.'),
  unknownFields: oneOf(['evolve', 'ignore', 'reject'])
    .optional()
    .describe(
      'How unknown top-level fields are handled: `evolve` records a new shape version, `ignore` does not, `reject` makes a dead letter. Default `evolve`.',
    ),
  knownFields: z
    .array(text('a field'), 'must be a list of fields')
    .max(FIELDS_MAX, `may have at most ${FIELDS_MAX} fields`)
    .optional()
    .describe('With `unknownFields: reject`: the known top-level fields.'),
  volatileFields: z
    .array(dotted, 'must be a list of dotted paths')
    .max(FIELDS_MAX, `may have at most ${FIELDS_MAX} fields`)
    .optional()
    .describe(
      'Dotted paths of fields that differ between a delivery and its retry, such as attempt counters and times of sending. They are ignored when a repeat is compared with the first delivery.',
    ),
  onInvalid: oneOf(['accept-dlq', 'reject-400'])
    .optional()
    .describe(
      'The response to authentic but malformed bodies: 200 with `accept-dlq`, 400 with `reject-400`. In both cases the body becomes a dead letter.',
    ),
  responseProfile: responses
    .optional()
    .describe(
      'Which system’s statuses and texts ingress responds with: one name, or one for refusals and one for 2xx responses (`accepted` may also be `nice-accepted` or `slack`). Default: the preset’s refusals and Weir’s 2xx responses.',
    ),
  dedupWindowSecs: whole(1, 2_592_000)
    .optional()
    .describe(
      'How long after the first delivery the provider may repeat an event. Dedup needs the same `SOURCES_FILE` and refuses to start with a shorter `DEDUP_WINDOW_SECS`.',
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
      `Accepted media types, without parameters. They replace the preset’s. \`${JSON_SUFFIX_TYPE}\` stands for every type with this suffix. Whatever the type, the body must be JSON or a form. Default \`application/json\`, \`${JSON_SUFFIX_TYPE}\` and, with \`form\`, \`application/x-www-form-urlencoded\`.`,
    ),
  form: oneOf(['json', 'payload', 'fields'])
    .optional()
    .describe(
      'How a body of type `application/x-www-form-urlencoded` is read. `json`: as JSON with a wrong media type. `payload`: as a form whose field `payload` is JSON. `fields`: as a form that becomes an object of texts. A repeated field becomes a list of texts.',
    ),
  acceptEncodings: z
    .array(oneOf(['gzip', 'deflate']), 'must be a list of gzip and deflate')
    .max(2, 'may have two')
    .optional()
    .describe(
      'Accepted content encodings. The signature covers the compressed bytes. The decompressed body may be at most as large as an uncompressed one, and at most 100 times as large as the compressed bytes. Default none.',
    ),
  bodyBytesMax: whole(1_024, 900_000)
    .optional()
    .describe('The largest body. Default `INGRESS_BODY_BYTES_MAX`.'),
  requestBudgetMs: whole(100, 60_000)
    .optional()
    .describe(
      'A request gets 503 if the brokers do not acknowledge it within this time. Default: the preset’s, at most `INGRESS_REQUEST_BUDGET_MS`.',
    ),
  concurrency: whole(1, 10_000)
    .optional()
    .describe(
      'The largest number of authentic requests in progress at a time. More get 429 with `Retry-After`. Default: no limit.',
    ),
  rate: z
    .strictObject({
      perSec: whole(1, 1_000_000).describe('Sustained requests per second.'),
      burst: whole(1, 1_000_000)
        .optional()
        .describe('Requests that may arrive at once. Default twice `perSec`.'),
    })
    .optional()
    .describe('Rate limit. Requests beyond it get 429 with `Retry-After`. Default `INGRESS_RATE_PER_SEC`.'),
  guardContent: z
    .boolean('must be true or false')
    .optional()
    .describe(
      '`true`: signed content that arrives again under another dedup key becomes a dead letter with reason `content_repeated`. Default true if the key can come from an unsigned header, and with `{body-crc32}` and `{form}`.',
    ),
  shadow: z
    .boolean('must be true or false')
    .optional()
    .describe('`true`: reports which signature scheme a refused request would have matched. Default false.'),
})

export const sourcesFileSchema = z.strictObject({
  version: z.literal(1, 'must be 1'),
  builtIn: z
    .boolean('must be true or false')
    .optional()
    .describe('`false`: turns off the built-in sources that this file does not name. Default true.'),
  sources: z
    .record(
      z
        .string()
        .regex(NAME, 'must be a name of lower-case letters, digits and -, at most 40')
        .check(
          z.refine((name) => name !== 'unknown', {
            error: 'is reserved: requests that match no source are counted under it',
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
