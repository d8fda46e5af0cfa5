import { HttpClient } from '../../http-client.ts'
import { securityCase, type SecurityCase } from '../../security-case.ts'
import {
  bodyOf,
  signatureOf,
  signedHeaders,
  type SignatureScheme,
  type SourceUnderTest,
  type SourcesUnderTest,
} from '../../source-under-test.ts'

const JSON_TYPE = ['content-type', 'application/json']

/** Sends a good body of the source with the headers that `headersOf` makes of it. */
const sendWith = async (
  client: HttpClient,
  source: SourceUnderTest,
  headersOf: (raw: Buffer, scheme: SignatureScheme) => readonly string[],
  raw = bodyOf(source),
): Promise<number> => {
  const { status } = await client.send({
    path: source.path,
    headers: [...JSON_TYPE, ...headersOf(raw, source.scheme!)],
    raw,
  })
  return status
}

/** A body whose signature, in base64, has a character that only one of the two alphabets has. */
const bodyWithSlashOrPlus = (source: SourceUnderTest): Buffer => {
  for (;;) {
    const raw = bodyOf(source)
    if (/[+/]/.test(signatureOf(source.scheme!, raw))) return raw
  }
}

const toUrlAlphabet = (text: string): string => text.replaceAll('+', '-').replaceAll('/', '_')

/** The last character before the padding has spare bits: another one there decodes to the same bytes. */
const withSpareBits = (base64: string): string => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  const index = base64.indexOf('=') - 1
  const next = alphabet[alphabet.indexOf(base64[index]!) + 1]!
  return base64.slice(0, index) + next + base64.slice(index + 1)
}

type Damage = readonly [what: string, damage: (good: string, raw: Buffer, scheme: SignatureScheme) => string]

const DAMAGES: readonly Damage[] = [
  ['one character short', (good) => good.slice(0, -1)],
  [
    'one byte short',
    (good, _, { encoding }) => (encoding === 'hex' ? good.slice(0, -2) : `${good.slice(0, -5)}=`),
  ],
  ['twice as long', (good) => good + good],
  ['of one character', (good) => good.slice(0, 1)],
  ['followed by zz', (good) => `${good}zz`],
  ['before a comma and itself', (good) => `${good},${good}`],
  ['after 0x', (good) => `0x${good}`],
  [
    'in another encoding',
    (_, raw, scheme) =>
      signatureOf({ ...scheme, encoding: scheme.encoding === 'hex' ? 'base64' : 'hex' }, raw),
  ],
  ['after a prefix that is not due', (good) => `sha256=${good}`],
  [
    'with one bit flipped',
    (good, _, { encoding }) => {
      const bytes = Buffer.from(good, encoding)
      bytes[17]! ^= 1
      return bytes.toString(encoding)
    },
  ],
  ['of the empty body', (_, __, scheme) => signatureOf(scheme, Buffer.alloc(0))],
  [
    'of zeros',
    (good, _, { encoding }) => Buffer.alloc(Buffer.from(good, encoding).length).toString(encoding),
  ],
]

const BASE64_DAMAGES: readonly Damage[] = [
  ['with !! inside', (good) => `${good.slice(0, 8)}!!${good.slice(8)}`],
  ['in the URL alphabet', (good) => toUrlAlphabet(good)],
  ['without padding', (good) => good.replaceAll('=', '')],
  ['with spare bits set', (good) => withSpareBits(good)],
  ['with a blank inside', (good) => `${good.slice(0, 8)} ${good.slice(8)}`],
]

const ofSource = (
  pick: (sources: SourcesUnderTest) => SourceUnderTest,
  source: SourceUnderTest,
): SecurityCase[] => {
  const { name, statuses, scheme } = source
  const isBase64 = scheme!.encoding === 'base64'
  const group = `signature ${name}`
  const own = (wanted: number): string => (wanted === 401 ? '' : ' (the status of the preset)')
  return [
    securityCase(`${group}: good`, 200, ({ ingress, sources }) =>
      sendWith(ingress, pick(sources), (raw, one) => [one.header, signatureOf(one, raw)]),
    ),
    ...(isBase64
      ? []
      : [
          securityCase(`${group}: in upper case`, 200, ({ ingress, sources }) =>
            sendWith(ingress, pick(sources), (raw, one) => [one.header, signatureOf(one, raw).toUpperCase()]),
          ),
        ]),
    securityCase(`${group}: header name in upper case`, 200, ({ ingress, sources }) =>
      sendWith(ingress, pick(sources), (raw, one) => [one.header.toUpperCase(), signatureOf(one, raw)]),
    ),
    securityCase(`${group}: missing${own(statuses.missing)}`, statuses.missing, ({ ingress, sources }) =>
      sendWith(ingress, pick(sources), () => []),
    ),
    securityCase(`${group}: empty${own(statuses.missing)}`, statuses.missing, ({ ingress, sources }) =>
      sendWith(ingress, pick(sources), (_, one) => [one.header, '']),
    ),
    securityCase(`${group}: header twice, both good`, 401, ({ ingress, sources }) =>
      sendWith(ingress, pick(sources), (raw, one) => {
        const good = signatureOf(one, raw)
        return [one.header, good, one.header, good]
      }),
    ),
    securityCase(`${group}: header twice, one good`, 401, ({ ingress, sources }) =>
      sendWith(ingress, pick(sources), (raw, one) => [one.header, 'x', one.header, signatureOf(one, raw)]),
    ),
    ...[...DAMAGES, ...(isBase64 ? BASE64_DAMAGES : [])].map(([what, damage]) =>
      securityCase(`${group}: ${what}`, 401, ({ ingress, sources }) => {
        const raw = isBase64 ? bodyWithSlashOrPlus(pick(sources)) : bodyOf(pick(sources))
        return sendWith(
          ingress,
          pick(sources),
          (body, one) => [one.header, damage(signatureOf(one, body), body, one)],
          raw,
        )
      }),
    ),
    securityCase(`${group}: of a retired key`, 401, ({ ingress, sources, secrets }) =>
      sendWith(ingress, pick(sources), (raw, one) => [one.header, signatureOf(one, raw, secrets.retired)]),
    ),
    securityCase(`${group}: of another source's key`, 401, ({ ingress, sources }) => {
      const other = [sources.strict, sources.nice].find((one) => one.name !== name)!
      return sendWith(ingress, pick(sources), (raw, one) => [
        one.header,
        signatureOf(one, raw, other.scheme!.secret),
      ])
    }),
    securityCase(`${group}: in another source's header`, statuses.missing, ({ ingress, sources }) =>
      sendWith(ingress, pick(sources), (raw, one) => ['x-other-signature', signatureOf(one, raw)]),
    ),
  ]
}

/** Sends other bytes than were signed. */
const sendOther = async (
  client: HttpClient,
  source: SourceUnderTest,
  signed: Buffer,
  sent: Buffer,
): Promise<number> => {
  const { status } = await client.send({
    path: source.path,
    headers: signedHeaders(source, signed),
    raw: sent,
  })
  return status
}

const bodyCases = (): SecurityCase[] => [
  securityCase(
    'body: one bit flipped, in each eighth of it',
    '401 × 8',
    async ({ ingress, sources: { strict } }) => {
      const signed = bodyOf(strict)
      const statuses: number[] = []
      for (let i = 0; i < 8; i++) {
        const sent = Buffer.from(signed)
        sent[Math.floor((sent.length * i) / 8)]! ^= 1 << i
        statuses.push(await sendOther(ingress, strict, signed, sent))
      }
      return tally(statuses)
    },
  ),
  securityCase('body: the same JSON written again', 401, ({ ingress, sources: { strict } }) => {
    const sent = bodyOf(strict)
    const signed = Buffer.from(JSON.stringify(JSON.parse(sent.toString()), null, 1))
    return sendOther(ingress, strict, signed, sent)
  }),
  securityCase('body: 0xff signed, 0xfe sent', 401, ({ ingress, sources: { strict } }) => {
    const withByte = (byte: number) => Buffer.concat([bodyOf(strict, { id: 'one' }), Buffer.from([byte])])
    return sendOther(ingress, strict, withByte(0xff), withByte(0xfe))
  }),
  securityCase('body: one byte more', 401, ({ ingress, sources: { strict } }) => {
    const signed = bodyOf(strict)
    return sendOther(ingress, strict, signed, Buffer.concat([signed, Buffer.from(' ')]))
  }),
  securityCase('body: byte order mark added', 401, ({ ingress, sources: { strict } }) => {
    const signed = bodyOf(strict)
    return sendOther(ingress, strict, signed, Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), signed]))
  }),
]

const rotationCases = (): SecurityCase[] => [
  securityCase('rotation: old key while both are set', 200, ({ ingress, sources: { cxone }, secrets }) =>
    sendWith(ingress, cxone, (raw, one) => [one.header, signatureOf(one, raw, secrets.cxoneOld)]),
  ),
  securityCase('rotation: new key while both are set', 200, ({ ingress, sources: { cxone }, secrets }) =>
    sendWith(ingress, cxone, (raw, one) => [one.header, signatureOf(one, raw, secrets.cxoneNew)]),
  ),
  securityCase('rotation: old key once it is taken away', 401, ({ cutOff, sources: { cxone }, secrets }) =>
    sendWith(cutOff, cxone, (raw, one) => [one.header, signatureOf(one, raw, secrets.cxoneOld)]),
  ),
  securityCase(
    'rotation: new key once the old is taken away (503: this ingress has no Kafka)',
    503,
    ({ cutOff, sources: { cxone }, secrets }) =>
      sendWith(cutOff, cxone, (raw, one) => [one.header, signatureOf(one, raw, secrets.cxoneNew)]),
  ),
]

const answerCases = (): SecurityCase[] => [
  securityCase(
    'refusal: all answers to wrong signatures are alike',
    'one answer',
    async ({ ingress, sources: { strict } }) => {
      const seen = new Set<string>()
      const other = signatureOf(strict.scheme!, Buffer.from('other'))
      for (const value of ['x', 'x'.repeat(44), other, `${other}zz`, other.slice(1)]) {
        const raw = bodyOf(strict)
        const headers = [...JSON_TYPE, strict.scheme!.header, value]
        const { status, headers: got, body } = await ingress.send({ path: strict.path, headers, raw })
        seen.add(JSON.stringify([status, { ...got, date: '' }, body]))
      }
      return seen.size === 1 ? 'one answer' : `${seen.size} answers`
    },
  ),
  securityCase(
    'refusal: names no signature that would do',
    'none',
    async ({ ingress, sources: { strict } }) => {
      const raw = bodyOf(strict)
      const good = signatureOf(strict.scheme!, raw)
      const { headers, body } = await ingress.send({
        path: strict.path,
        headers: [...JSON_TYPE, strict.scheme!.header, signatureOf(strict.scheme!, raw, 'other')],
        raw,
      })
      const hex = Buffer.from(good, 'base64').toString('hex')
      return [good, hex].some((text) => (JSON.stringify(headers) + body).includes(text)) ? 'named' : 'none'
    },
  ),
]

/** `401 × 8`, or `200 × 1, 401 × 7`. */
export const tally = (values: readonly (number | string)[]): string => {
  const counts = Map.groupBy(values, String)
  return [...counts]
    .map(([value, all]) => `${value} × ${all.length}`)
    .sort()
    .join(', ')
}

export const signatureCases = ({ strict, cxone, nice }: SourcesUnderTest): readonly SecurityCase[] => [
  ...ofSource((sources) => sources.strict, strict),
  ...ofSource((sources) => sources.nice, nice),
  ...ofSource((sources) => sources.cxone, cxone),
  ...bodyCases(),
  ...rotationCases(),
  ...answerCases(),
]
