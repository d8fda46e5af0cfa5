import { createHmac, timingSafeEqual } from 'node:crypto'
import type { HmacAlgorithm } from '@weir/contracts'
import { PRESETS } from '../presets/index.ts'
import type { PresetName } from '../source.ts'
import { decodeAny } from './encodings.ts'
import type { RequestHeaders } from './request-headers.ts'
import { secretBytes } from './secrets.ts'
import { compileContent } from './signed-content.ts'
import { isSignature, type SecretEncoding, type SignatureEncoding } from './spec.ts'

/** A way of signing that gives what a request brought. */
export interface ShadowMatch {
  /** The preset that signs so; `none`: a way of its own. */
  readonly preset: PresetName | 'none'
  readonly header: string
  readonly algorithm: HmacAlgorithm
  readonly encoding: SignatureEncoding
  readonly content: string
  readonly secretEncoding: SecretEncoding
  /** Place in the list of secrets. */
  readonly secret: number
}

interface Offer {
  readonly header: string
  readonly encoding: SignatureEncoding
  readonly bytes: Buffer
}

const SECRET_ENCODINGS = ['utf8', 'hex', 'base64', 'whsec'] as const
const SIGNATURE_ENCODINGS = ['hex', 'base64', 'base64url'] as const
const ALGORITHMS = { 32: 'sha256', 64: 'sha512' } as const
const OFFERS_MAX = 32
const PARTS_MAX = 4
/** More bytes than this are hashed for no request: 4 secrets over a small body take about 2 ms. */
const HASHED_BYTES_MAX = 8_388_608
const TIME = /^\d{10,13}$/
const ID = /^[\x21-\x7e]{1,256}$/

const CONTENTS: readonly string[] = [
  ...new Set([
    ...Object.values(PRESETS).flatMap(({ verifier }) => (isSignature(verifier) ? [verifier.content] : [])),
    ...['{timestamp}{body}', '{body}{timestamp}', '{id}.{body}'],
  ]),
]

/**
 * Every way, among presets, encodings and secrets, that would have matched a request; most likely none. Takes time: for
 * requests that were refused, and few of them. Nothing is accepted by it.
 */
export const findShadowMatches = (
  headers: RequestHeaders,
  raw: Buffer,
  secrets: readonly string[],
): readonly ShadowMatch[] => {
  const all = [...headers.entries()]
  const offers = all.flatMap(([header, value]) => offersOf(header, value)).slice(0, OFFERS_MAX)
  const lengths = new Set(offers.map(({ bytes }) => bytes.length))
  const parts = partsOf(all)
  const matches: ShadowMatch[] = []
  let hashed = 0
  for (const [secret, text] of secrets.entries()) {
    for (const secretEncoding of SECRET_ENCODINGS) {
      const key = secretBytes(text, secretEncoding)
      if (key === undefined) continue
      for (const { content, before, after } of parts) {
        for (const length of lengths) {
          hashed += raw.length
          if (hashed > HASHED_BYTES_MAX) return distinct(matches)
          const algorithm = ALGORITHMS[length as keyof typeof ALGORITHMS]
          const digest = createHmac(algorithm, key).update(before).update(raw).update(after).digest()
          for (const { header, encoding, bytes } of offers) {
            if (bytes.length !== length || !timingSafeEqual(bytes, digest)) continue
            matches.push(named({ header, algorithm, encoding, content, secretEncoding, secret }))
          }
        }
      }
    }
  }
  return distinct(matches)
}

/** Whatever in a header could be a signature: the value, or a part of it behind a label. */
const offersOf = (header: string, value: string): Offer[] =>
  value
    .split(/[\s,;]+/)
    .flatMap((piece) => [piece, piece.replace(/^\w{1,16}=/, '')])
    .flatMap((piece) =>
      SIGNATURE_ENCODINGS.flatMap((encoding) => {
        const bytes =
          decodeAny(piece, encoding) ?? (encoding === 'base64' ? decodeAny(`${piece}=`, encoding) : undefined)
        return bytes !== undefined && bytes.length in ALGORITHMS ? [{ header, encoding, bytes }] : []
      }),
    )

/** Each content with each time and id that the headers have. */
const partsOf = (headers: readonly (readonly [name: string, value: string])[]) => {
  const pieces = headers.flatMap(([, value]) =>
    value.split(/[,;]\s*/).map((piece) => piece.replace(/^\w{1,4}=/, '')),
  )
  const times = [...new Set(pieces.filter((piece) => TIME.test(piece)))].slice(0, PARTS_MAX)
  const ids = headers
    .flatMap(([name, value]) => (/(?:^|-)id$/.test(name) && ID.test(value) ? [value] : []))
    .slice(0, PARTS_MAX)
  return CONTENTS.flatMap((content) => {
    const { usesTimestamp, usesId, before, after } = compileContent(content)
    return (usesTimestamp ? times : ['']).flatMap((timestamp) =>
      (usesId ? ids : ['']).map((id) => ({
        content,
        before: before({ timestamp, id }),
        after: after({ timestamp, id }),
      })),
    )
  })
}

const named = (match: Omit<ShadowMatch, 'preset'>): ShadowMatch => {
  const preset = Object.values(PRESETS).find(
    ({ name, verifier }) =>
      name !== 'custom' &&
      verifier.kind === 'hmac' &&
      verifier.header === match.header &&
      verifier.algorithm === match.algorithm &&
      verifier.encoding === match.encoding &&
      verifier.content === match.content &&
      verifier.secretEncoding === match.secretEncoding,
  )
  return { preset: preset?.preset ?? 'none', ...match }
}

/** One secret may be read in two ways that give the same key. */
const distinct = (matches: readonly ShadowMatch[]): ShadowMatch[] => [
  ...new Map(matches.map((match) => [JSON.stringify(match), match])).values(),
]
