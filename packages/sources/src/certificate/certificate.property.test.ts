import fc from 'fast-check'
import { expect, it } from 'vitest'
import { RequestHeaders } from '../verifier/content/request-headers.ts'
import { identityOf, type CertificateForm } from './certificate-spec.ts'
import { createCertificateCheck } from './check-certificate.ts'
import { parseXfcc } from './xfcc.ts'

const HASH = 'ab12'.repeat(16)
const WITH_COLONS = HASH.toUpperCase().match(/../g)!.join(':')

const check = (form: CertificateForm, identities: readonly string[], value: string): string => {
  const spec = { header: 'h', form, identities: identities.map((text) => identityOf(form, text)!) }
  return createCertificateCheck(spec)(new RequestHeaders(['H', value]), true)
}

const printable = fc.stringMatching(/^[ -~]{0,30}$/)
const plain = fc
  .stringMatching(/^(?:[!-~](?:[ -~]{0,20}[!-~])?)?$/)
  .map((text) => text.replaceAll(/[",;]/g, ''))
const trimmed = plain.map((text) => text.trim())
/** As RFC 2253 writes a name: `\` before what could be read as its own end. */
const subject = printable.map((text) => `CN=${text.replaceAll(/["\\,;+<>]/g, String.raw`\$&`)}`)
/** As Envoy writes an element, and what should be read of it. */
const element = fc
  .record({
    by: trimmed,
    hash: fc.stringMatching(/^[\da-f]{64}$/),
    subject,
    uris: fc.array(trimmed),
    cert: trimmed,
  })
  .map(({ by, hash, subject: dn, uris, cert }) => ({
    text: [
      `By=${by};Hash=${hash};Cert="${cert.replaceAll('\\', '')}";Subject="${dn}"`,
      ...uris.map((uri) => `URI=${uri}`),
    ].join(';'),
    pairs: [
      ['by', by],
      ['hash', hash],
      ['cert', cert.replaceAll('\\', '')],
      ['subject', dn.replaceAll(/\\([^])/g, (both: string, sign: string) => (sign === '"' ? sign : both))],
      ...uris.map((uri) => ['uri', uri]),
    ],
  }))

it('refuses a duplicate header, even with the same certificate', () => {
  const spec = { header: 'h', form: 'fingerprint', identities: [HASH] } as const
  const result = (...raw: string[]) => createCertificateCheck(spec)(new RequestHeaders(raw), true)
  expect([result('h', HASH), result('h', HASH, 'H', HASH)]).toEqual(['good', 'malformed'])
})

it('reads what Envoy writes, one element for each proxy', () => {
  fc.assert(
    fc.property(
      fc.array(element, { minLength: 1, maxLength: 4 }),
      fc.constantFrom(',', ', ', ' ,\t'),
      (elements, comma) => {
        expect(parseXfcc(elements.map(({ text }) => text).join(comma))).toEqual(
          elements.map(({ pairs }) => pairs),
        )
      },
    ),
  )
})

const hostile = fc
  .array(
    fc.constantFrom(
      '"',
      '\\',
      ',',
      ';',
      '=',
      'URI=',
      'Subject=',
      'Subject="',
      'By=',
      'x',
      ' ',
      `Hash=${HASH}`,
    ),
    { maxLength: 20 },
  )
  .map((parts) => parts.join(''))

it('never lets a client hide or replace the element that the proxy appends', () => {
  fc.assert(
    fc.property(fc.oneof(hostile, printable), element, (sent, { text, pairs }) => {
      const last = parseXfcc(`${sent},${text}`)?.at(-1)
      if (last !== undefined) expect(last).toEqual(pairs)
      expect(
        check('xfcc', ['URI=spiffe://good', `Hash=${HASH}`], `URI=spiffe://good;Hash=${HASH},${text}`),
      ).toBe('not_listed')
    }),
    { numRuns: 2_000 },
  )
})

it('handles any text, and accepts nothing that is not listed', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('xfcc', 'subject', 'fingerprint'),
      fc.oneof(hostile, fc.string()),
      (form, text) => {
        const listed = { xfcc: 'URI=spiffe://listed', subject: 'CN=listed', fingerprint: 'f'.repeat(64) }[
          form
        ]
        expect(['missing', 'malformed', 'not_listed']).toContain(check(form, [listed], text))
      },
    ),
  )
})

it.each([
  ['xfcc', 'URI=spiffe://a/b', `By=spiffe://w;Hash=${HASH};Subject="";URI=spiffe://a/b`, 'good'],
  ['xfcc', 'uri=spiffe://a/b', 'UrI=spiffe://a/b', 'good'],
  ['xfcc', 'URI=spiffe://a/b', 'URI="spiffe://a/b"', 'good'],
  ['xfcc', 'URI=spiffe://a?b=c', 'URI=spiffe://a?b=c', 'good'],
  ['xfcc', 'URI=spiffe://a/b', 'URI=spiffe://x;URI=spiffe://a/b', 'good'],
  ['xfcc', 'URI=spiffe://a/b', 'URI=spiffe://A/b', 'not_listed'],
  ['xfcc', 'URI=spiffe://a/b', 'URI=spiffe://a/b/c', 'not_listed'],
  ['xfcc', 'URI=spiffe://a/b', 'By=spiffe://a/b;URI=', 'not_listed'],
  ['xfcc', 'URI=a', 'DNS=a', 'not_listed'],
  ['xfcc', 'URI=spiffe://a/b', 'URI=spiffe://a/b,URI=spiffe://edge', 'not_listed'],
  ['xfcc', 'URI=spiffe://edge', 'URI=spiffe://a/b,URI=spiffe://edge', 'good'],
  ['xfcc', 'DNS=a.example', 'DNS=b.example;DNS=a.example', 'good'],
  ['xfcc', `Hash=${WITH_COLONS}`, `Hash=${HASH}`, 'good'],
  ['xfcc', `Hash=${HASH}`, `Hash=${WITH_COLONS}`, 'good'],
  ['xfcc', `Hash=${HASH}`, `Hash=${HASH.slice(1)}`, 'not_listed'],
  ['xfcc', 'Subject=CN=a,O=b', 'Subject="CN=a,O=b"', 'good'],
  ['xfcc', 'Subject=CN=a "b"', String.raw`Subject="CN=a \"b\""`, 'good'],
  ['xfcc', 'Subject=CN=a', 'Subject="CN=a";Subject="CN=b"', 'malformed'],
  ['xfcc', `Hash=${HASH}`, `Hash=${HASH};Hash=${'0'.repeat(64)}`, 'malformed'],
  ['xfcc', 'Subject=CN=a', 'Subject="CN=a', 'malformed'],
  ['xfcc', 'Subject=CN=a', 'Subject="CN=a"b', 'malformed'],
  ['xfcc', 'Subject=CN=a', 'Subject=CN="a"', 'malformed'],
  ['xfcc', 'URI=a', 'URI=a,', 'malformed'],
  ['xfcc', 'URI=a', ',URI=a', 'malformed'],
  ['xfcc', 'URI=a', 'URI=a;', 'malformed'],
  ['xfcc', 'URI=a', 'a', 'malformed'],
  ['subject', 'CN=a,O=b', 'CN=a,O=b', 'good'],
  ['subject', 'CN=a,O=b', 'O=b,CN=a', 'not_listed'],
  ['subject', 'CN=a,O=b', 'CN=a, O=b', 'not_listed'],
  ['subject', 'CN=a', 'cn=a', 'not_listed'],
  ['subject', 'CN=a', 'CN=a,O=b', 'not_listed'],
  ['fingerprint', HASH, WITH_COLONS, 'good'],
  ['fingerprint', WITH_COLONS, HASH, 'good'],
  ['fingerprint', HASH, HASH.slice(0, 40), 'malformed'],
  ['fingerprint', HASH, `${HASH}, ${HASH}`, 'malformed'],
  ['fingerprint', HASH, `sha256=${HASH}`, 'malformed'],
  ['fingerprint', HASH, HASH.match(/.{3}/g)!.join(':'), 'malformed'],
  ['fingerprint', HASH, '', 'missing'],
] as const)('%s %s, given %s: %s', (form, listed, given, result) => {
  expect(check(form, [listed], given)).toBe(result)
})

it('is read in linear time, whatever a client puts at its beginning', () => {
  const ms = (text: string) => {
    const startedAt = performance.now()
    for (let i = 0; i < 5; i += 1) parseXfcc(text)
    return performance.now() - startedAt
  }
  for (const begun of ['By=', 'By="x"', 'By="\\"', 'By=x;Hash=']) {
    for (const filler of [' ', '\t', '\\"', 'a=,', '\\']) {
      // What is tried at each place once more takes seconds here.
      expect(ms(`${begun}${filler.repeat(60_000 / filler.length)}"`)).toBeLessThan(1_000)
    }
  }
})
