import { describe, expect, it } from 'vitest'
import { PRESETS, SOURCES } from '../presets/index.ts'
import type { RequestFacts } from '../source.ts'
import { sourceWarnings } from '../verifier/warnings.ts'
import { describeProblems, parseSourcesFile } from './parse-sources-file.ts'

const facts: RequestFacts = { bodyHash: () => 'hash', header: () => undefined }
const problemsOf = (text: string) => describeProblems('sources.yaml', parseSourcesFile(text).problems)
const only = (text: string) => {
  const { sources, problems } = parseSourcesFile(text)
  expect(problems).toEqual([])
  expect(sources).toHaveLength(1)
  return sources[0]!
}

it('starts from a preset and needs nothing more', () => {
  const source = only('version: 1\nsources:\n  nice: { preset: nice }\n')
  expect(source).toMatchObject({
    name: 'nice',
    preset: 'nice',
    paths: ['/webhooks/nice', '/cxone/webhook/data-action'],
    statusMissing: 403,
    onInvalid: 'reject-400',
    accepted: 'weir',
    unsigned: false,
    shadow: false,
  })
  expect(source.limits).toEqual({})
})

describe('the paths of a built-in source that the file names', () => {
  const pathsIn = (text: string) => {
    const { sources, problems } = parseSourcesFile(`version: 1\nsources:\n  ${text}\n`)
    expect(problems).toEqual([])
    return Object.fromEntries(sources.map(({ name, paths }) => [name, paths]))
  }

  it.each(SOURCES.map(({ name, paths }) => [name, paths] as const))('%s keeps all of them', (name, paths) => {
    const said = 'preset: NAME|preset: NAME, unsigned: true|preset: NAME, rate: { perSec: 5 }'.split('|')
    for (const entry of said) {
      expect(pathsIn(`${name}: { ${entry.replace('NAME', name)} }`)).toEqual({ [name]: paths })
    }
    expect(pathsIn(`${name}: { preset: ${name}, paths: [/hook] }`)).toEqual({ [name]: ['/hook'] })
  })

  it('S0, S3 and S4 keep all of them together', () => {
    const entries = SOURCES.map(({ name }) => `${name}: { preset: ${name} }`).join('\n  ')
    const paths = pathsIn(entries)
    expect(paths).toEqual(Object.fromEntries(SOURCES.map(({ name, paths }) => [name, paths])))
    // Paths that the five systems had, beside Weir's own.
    const former = ['/api/CXoneEventReceiver', '/webhook/cxone-dataaction', '/cxone/webhook/data-action']
    expect(Object.values(paths).flat()).toEqual(expect.arrayContaining(former))
  })

  it('do not include paths that the file gives to another source', () => {
    const taken = 'calls: { preset: cxone, paths: [/api/CXoneEventReceiver] }'
    for (const order of [
      [taken, 'cxone: { preset: cxone }'],
      ['cxone: { preset: cxone }', taken],
    ]) {
      expect(pathsIn(order.join('\n  '))).toEqual({
        calls: ['/api/CXoneEventReceiver'],
        cxone: ['/webhooks/cxone'],
      })
    }
  })

  it('do not include those of another source or preset', () => {
    expect(pathsIn('calls: { preset: cxone }')).toEqual({ calls: ['/webhooks/calls'] })
    expect(pathsIn('cxone: { preset: nice }')).toEqual({ cxone: ['/webhooks/cxone'] })
  })
})

it('accepts every documented setting', () => {
  const source = only(`
version: 1
sources:
  acme-eu:
    preset: custom
    paths: [/hooks/acme, /webhooks/acme-eu]
    verifier:
      header: X-Acme-Signature
      algorithm: sha512
      encoding: base64url
      prefix: v1=
      content: '{id}.{timestamp}.{body}'
      secretEncoding: hex
      idHeader: X-Acme-Id
      timestamp: { header: X-Acme-Time, unit: ms, toleranceSecs: 60 }
    cidrs: [192.0.2.0/24, '2001:db8::1']
    entityKey: '{data.call.id}'
    eventType: '{type}'
    dedupKey: '{header:X-Acme-Id}'
    sequence: data.n
    unknownFields: reject
    knownFields: [type, data]
    volatileFields: [attempt, data.sentAt]
    onInvalid: accept-dlq
    responseProfile: { refused: nice, accepted: cxone }
    dedupWindowSecs: 3600
    bodyBytesMax: 4096
    requestBudgetMs: 900
    rate: { perSec: 100 }
    shadow: true
`)
  expect(source).toMatchObject({
    name: 'acme-eu',
    preset: 'custom',
    paths: ['/hooks/acme', '/webhooks/acme-eu'],
    verifier: {
      kind: 'hmac',
      header: 'x-acme-signature',
      algorithm: 'sha512',
      encoding: 'base64url',
      prefix: 'v1=',
      content: '{id}.{timestamp}.{body}',
      secretEncoding: 'hex',
      idHeader: 'x-acme-id',
      form: 'single',
      timestamp: { header: 'x-acme-time', unit: 'ms', toleranceSecs: 60 },
    },
    cidrs: ['192.0.2.0/24', '2001:db8::1'],
    unknownFields: 'reject',
    knownFields: ['type', 'data'],
    volatileFields: ['attempt', 'data.sentAt'],
    onInvalid: 'accept-dlq',
    statusMissing: 403,
    accepted: 'cxone',
    windowSecsMin: 3600,
    shadow: true,
    limits: { bodyBytesMax: 4096, requestBudgetMs: 900, rate: { perSec: 100, burst: 200 } },
  })
  const payload = { type: 't', data: { call: { id: 'c-1' }, n: 4 } }
  expect(source.identify(payload, { ...facts, header: () => 'm-1' })).toMatchObject({
    identity: { interactionId: 'c-1', eventType: 't', dedupKey: 'm-1', sequence: 4n },
  })
})

it('accepts a different signature scheme over a preset', () => {
  const svix = only(`
version: 1
sources:
  svix:
    preset: standard-webhooks
    verifier: { header: svix-signature, idHeader: svix-id, timestamp: { header: svix-timestamp } }
    dedupKey: '{header:svix-id}'
`)
  expect(svix.verifier).toMatchObject({
    header: 'svix-signature',
    idHeader: 'svix-id',
    form: 'list',
    label: 'v1',
    secretEncoding: 'whsec',
    timestamp: { header: 'svix-timestamp', unit: 's', toleranceSecs: 300 },
  })
  const ed25519 = only(
    'version: 1\nsources:\n  a: { preset: custom, verifier: { algorithm: ed25519, secretEncoding: hex } }\n',
  )
  expect(ed25519.verifier).toMatchObject({ kind: 'ed25519', secretEncoding: 'hex' })
  const literal = only(
    'version: 1\nsources:\n  a: { preset: cxone, responseProfile: cxone-router, unsigned: true }\n',
  )
  expect(literal).toMatchObject({
    accepted: 'cxone-router',
    answerMalformed: 'Invalid payload structure',
    unsigned: true,
  })
})

it('reports every problem at once, with line, path, value and what is expected', () => {
  const text = `version: 2
sources:
  Nice:
    preset: nice
  other:
    preset: nicer
    paths: [webhooks/other]
    rate:
      perSec: 0
    pathss: [/x]
    shadow: 'yes'
    onInvalid: drop
`
  expect(problemsOf(text)).toEqual([
    'sources.yaml:1:10: version: 2 must be 1',
    'sources.yaml:3:3: sources.Nice: must be a name of lower-case letters, digits and -, at most 40',
    `sources.yaml:6:13: sources.other.preset: "nicer" must be one of ${Object.keys(PRESETS).join(', ')}`,
    'sources.yaml:7:13: sources.other.paths.0: "webhooks/other" must be a path such as /webhooks/name, of letters, digits, and - _ . ~',
    'sources.yaml:9:15: sources.other.rate.perSec: 0 must be a whole number from 1 to 1000000',
    'sources.yaml:10:5: sources.other.pathss: is an unknown setting',
    'sources.yaml:11:13: sources.other.shadow: "yes" must be true or false',
    'sources.yaml:12:16: sources.other.onInvalid: "drop" must be one of accept-dlq, reject-400',
  ])
})

it('reports contradictions in the same way', () => {
  const text = `version: 1
sources:
  a:
    preset: nice
    verifier:
      content: '{timestamp}.{body}'
    dedupKey: '{a}-{b}'
    cidrs: [10.0.0.0/99]
  b:
    preset: custom
    verifier: { form: pairs }
    paths: [/webhooks/a]
    unknownFields: reject
`
  expect(problemsOf(text)).toEqual([
    'sources.yaml:6:7: sources.a.verifier.timestamp: is required because the content has {timestamp}',
    'sources.yaml:7:15: sources.a.dedupKey: "{a}-{b}" separate the fields and texts of a dedup key with `:`, as in `{id}:{type}`',
    'sources.yaml:8:13: sources.a.cidrs.0: "10.0.0.0/99" 10.0.0.0/99 is not a CIDR range',
    'sources.yaml:11:15: sources.b.verifier.label: form pairs needs the label of the signature entries',
    'sources.yaml:13:20: sources.b.unknownFields: "reject" needs `knownFields`, the fields that are not rejected',
  ])
  const twice =
    'version: 1\nsources:\n  a: { preset: nice }\n  b: { preset: nice, paths: [/x, /webhooks/a] }\n'
  expect(problemsOf(twice)).toEqual([
    'sources.yaml:4:34: sources.b.paths.1: "/webhooks/a" /webhooks/a is already a path of a',
  ])
})

it.each([
  ['', /^sources.yaml:1:1: /],
  ['- a\n', /^sources.yaml:1:1: /],
  ['version: 1\nsources: {}\n', /at least one source/],
  [
    'version: 1\nsources:\n  a: { preset: nice }\n  a: { preset: nice }\n',
    /^sources.yaml:4:3: Map keys must be unique/,
  ],
  ['version: 1\nsources:\n  a: { preset: nice\n', /^sources.yaml:4:1: /],
  ['version: 1\nsources:\n  a: { preset: custom, paths: [/metrics] }\n', /is one of ingress’ own paths/],
  [
    'version: 1\nsources:\n  a: { preset: cognigy, verifier: {} }\n',
    /needs `header`, the header of the signature/,
  ],
  ['version: 1\nsources:\n  a:\n', /^sources.yaml:3:\d+: sources.a: /],
  [`version: 1\nx: ${'y'.repeat(1_048_576)}\n`, /larger than/],
  [
    'a: &a [x, x, x, x, x, x, x, x, x]\n'.concat(
      ...Array.from(
        { length: 9 },
        (_, i) =>
          `${'bcdefghij'[i]!}: &${'bcdefghij'[i]!} [${Array.from({ length: 9 }, () => `*${'abcdefghi'[i]!}`).join()}]\n`,
      ),
    ),
    /alias|no setting/i,
  ],
])('names the problem of %j', (text, message) => {
  const [first] = problemsOf(text)
  expect(first).toMatch(message)
  expect(parseSourcesFile(text).sources).toEqual([])
})

it('accepts a path to the elements of a batch in any form', () => {
  const split = (text: string) => only(`version: 1\nsources:\n  a: { preset: custom, ${text} }\n`).split
  expect(split("split: '$'")).toEqual({ path: [], itemsMax: 1_000 })
  expect(split('split: $.events')).toEqual({ path: ['events'], itemsMax: 1_000 })
  expect(split('split: data.items, splitItemsMax: 5')).toEqual({ path: ['data', 'items'], itemsMax: 5 })
  expect(split('onInvalid: reject-400')).toBeUndefined()
})

it.each([
  ['preset: custom, split: "$.a[*]"', /split: "\$\.a\[\*\]" must be \$ for a body/],
  ['preset: custom, split: "$..a"', /must be \$ for a body/],
  ['preset: custom, split: ""', /must be/],
  ['preset: custom, split: "$", splitItemsMax: 0', /must be a whole number from 1 to 10000/],
  ['preset: custom, splitItemsMax: 5', /splitItemsMax: 5 needs `split`/],
  ['preset: custom, eventType: "{batch:object}"', /\{batch:\.\.\.\} needs `split`/],
  ['preset: nice-expert, split: "$"', /bodies of the preset nice-expert are not parsed/],
  // The same key for every element: one event, and conflicts.
  ['preset: custom, split: "$", dedupKey: "{header:x-id}"', /the same for every element/],
  ['preset: custom, split: "$", dedupKey: "{header:x-id}:{batch:id}"', /the same for every element/],
  ['preset: custom, split: "$", dedupKey: "{id|header:x-id}"', /the same for every element/],
  ['preset: standard-webhooks, split: "$"', /split: "\$" the dedup key can consist only of headers/],
])('refuses batches whose elements would have the same key: %s', (entry, message) => {
  expect(problemsOf(`version: 1\nsources:\n  a: { ${entry} }\n`).join('\n')).toMatch(message)
})

it.each(['{id}', '{header:x-id}:{id}', '{body-hash}', '{header:x-id}:{body-hash}', '{batch:id}:{id}:{n}'])(
  'accepts a key of a batch with a part of the element: %s',
  (dedupKey) => {
    only(`version: 1\nsources:\n  a: { preset: github, split: $, dedupKey: '${dedupKey}' }\n`)
  },
)

describe('signature schemes in the file', () => {
  const parse = (verifier: string, preset = 'custom') =>
    parseSourcesFile(`version: 1\nsources:\n  s:\n    preset: ${preset}\n    verifier: ${verifier}\n`)

  it.each([
    ['{ header: x-s, algorithm: ecdsa-p256, encoding: base64 }', { kind: 'ecdsa' }],
    ['{ header: x-s, algorithm: rsa-sha256, encoding: base64 }', { kind: 'rsa', algorithm: 'sha256' }],
    ['{ header: x-s, algorithm: sha1, allowSha1: true }', { kind: 'hmac', algorithm: 'sha1' }],
    [
      "{ form: pairs, separator: ';', label: h1, content: '{timestamp}:{body}', timestamp: { pair: ts } }",
      { form: 'pairs', separator: ';', timestamp: { pair: 'ts', unit: 's', toleranceSecs: 300 } },
    ],
    [
      "{ algorithm: rsa-sha256, content: '{header:x-id}|{timestamp}|{body-crc32}', timestamp: { header: x-t, unit: iso } }",
      { kind: 'rsa', content: '{header:x-id}|{timestamp}|{body-crc32}' },
    ],
    [
      "{ content: '{method}{url}{body}', publicUrl: 'https://a.example' }",
      { publicUrl: 'https://a.example' },
    ],
  ])('%s is understood', (text, verifier) => {
    const { sources, problems } = parse(text)
    expect(problems).toEqual([])
    expect(sources[0]!.verifier).toMatchObject(verifier)
  })

  it.each([
    ['{ header: x-s, algorithm: sha1 }', 'custom', /SHA-1 is broken.*allowSha1: true/],
    ['{ header: x-s, algorithm: rsa-sha1 }', 'custom', /SHA-1 is broken/],
    ['{ publicUrl: https://a.example }', 'twilio', /SHA-1 is broken/],
    [
      '{ allowSha1: true }',
      'twilio',
      /is required because the URL is signed: give the URL that the provider calls/,
    ],
    ['{ header: x-s }', 'hubspot', /is required because the URL is signed/],
    ["{ content: '{url}{body}', publicUrl: nothing }", 'custom', /is not a URL/],
    [
      "{ content: '{url}{body}', publicUrl: 'https://a.example/?q=1' }",
      'custom',
      /adds the query of each request/,
    ],
    ["{ content: '{url}{body}', publicUrl: 'ftp://a.example' }", 'custom', /must begin with https/],
    ["{ content: '{body}{body-crc32}' }", 'custom', /must contain exactly one of \{body\}/],
    ["{ content: '{header:X}{body}' }", 'custom', /is unknown: use/],
    [
      "{ algorithm: ecdsa, content: '{body}' }",
      'custom',
      /must be one of sha256, sha512, ed25519, ecdsa-p256/,
    ],
  ])('%s for %s is refused', (text, preset, message) => {
    const { problems } = parse(text, preset)
    expect(problems.map(({ message: one }) => one).join('\n')).toMatch(message)
  })

  it('only a source with SHA-1 gets a warning', () => {
    const [loud] = parse('{ header: x-s, algorithm: sha1, allowSha1: true }').sources
    expect(sourceWarnings(loud!)).toEqual([expect.stringMatching(/^The source s accepts SHA-1 signatures/)])
    for (const preset of ['github', 'cognigy', 'sendgrid'] as const)
      expect(sourceWarnings(PRESETS[preset])).toEqual([])
  })
})
