import { createHmac, timingSafeEqual, verify, type KeyObject } from 'node:crypto'
import { PRESETS } from '../presets/index.ts'
import { decodeStrict } from './encodings.ts'
import { publicKeyOf, RSA_BYTES, type PublicKeyKind } from './public-keys.ts'
import { RequestHeaders } from './content/request-headers.ts'
import { secretBytes } from './secrets.ts'
import { compileContent, type SignedParts } from './content/signed-content.ts'
import {
  algorithmName,
  isSignature,
  type AlgorithmName,
  type SecretEncoding,
  type SignatureEncoding,
} from './spec.ts'
import { parseTimestamp } from './timestamp.ts'

/** A way of signing that produces the signature of a request. */
export interface ShadowMatch {
  /** The preset that signs this way. `none` if no preset does. */
  readonly preset: string
  readonly header: string
  readonly algorithm: AlgorithmName
  readonly encoding: SignatureEncoding
  readonly content: string
  readonly secretEncoding: SecretEncoding
  /** Index in the list of secrets. */
  readonly secret: number
}

interface Offer {
  readonly header: string
  readonly encoding: SignatureEncoding
  readonly bytes: Buffer
}

/** One reading of one secret, with its signature for a content. */
interface Candidate {
  readonly secret: number
  readonly secretEncoding: SecretEncoding
  readonly algorithm: AlgorithmName
  /** Its cost relative to an HMAC. */
  readonly weight: number
  readonly isLength: (length: number) => boolean
  readonly matcher: (content: Buffer) => (signature: Buffer) => boolean
}

const SECRET_ENCODINGS = ['utf8', 'hex', 'base64', 'whsec'] as const
const SIGNATURE_ENCODINGS = ['hex', 'base64', 'base64url'] as const
const HMAC_BYTES = { sha256: 32, sha512: 64, sha1: 20 } as const
const P256_BYTES = 64
const DER_BYTES_MAX = 72
const DER_SEQUENCE = 0x30
const OFFERS_MAX = 32
const PARTS_MAX = 4
/** The most bytes that are hashed for one request. Four secrets over a small body take about 2 ms. */
const HASHED_BYTES_MAX = 8_388_608
/** Verifying with a public key takes as long as hashing this many bytes. */
const PUBLIC_CHECK_BYTES = 65_536
const ID = /^[\x21-\x7e]{1,256}$/

/** Those that need only the headers and the body. */
const isPlain = (content: string): boolean => {
  const { usesUrl, headers } = compileContent(content)
  return content.includes('{body}') && !usesUrl && headers.length === 0 && !content.includes('{method}')
}

const CONTENTS: readonly string[] = [
  ...new Set([
    ...Object.values(PRESETS).flatMap(({ verifier }) => (isSignature(verifier) ? [verifier.content] : [])),
    '{timestamp}{body}',
    '{body}{timestamp}',
    '{id}.{body}',
    '{timestamp}:{body}',
  ]),
].filter(isPlain)

/**
 * Every combination of preset, encoding and secret that would have matched a request. Usually there is none. It is
 * slow, so call it only for a few refused requests. It accepts nothing.
 */
export const findShadowMatches = (
  headers: RequestHeaders,
  raw: Buffer,
  secrets: readonly string[],
): readonly ShadowMatch[] => {
  const all = [...headers.entries()]
  const offers = all.flatMap(([header, value]) => offersOf(header, value)).slice(0, OFFERS_MAX)
  const candidates = secrets.flatMap(candidatesOf)
  const matches: ShadowMatch[] = []
  let hashed = 0
  for (const { content, before, after } of partsOf(all)) {
    const whole = Buffer.concat([Buffer.from(before), raw, Buffer.from(after)])
    for (const { isLength, matcher, weight, ...way } of candidates) {
      const fitting = offers.filter(({ bytes }) => isLength(bytes.length))
      if (fitting.length === 0) continue
      hashed += weight === 0 ? whole.length : fitting.length * (whole.length + weight)
      if (hashed > HASHED_BYTES_MAX) return distinct(matches)
      const isMatch = matcher(whole)
      for (const { header, encoding, bytes } of fitting) {
        if (isMatch(bytes)) matches.push(named({ ...way, header, encoding, content }))
      }
    }
  }
  return distinct(matches)
}

/** Every key that a secret's text could stand for. */
const candidatesOf = (text: string, secret: number): Candidate[] => [
  ...SECRET_ENCODINGS.flatMap((secretEncoding) => {
    const key = secretBytes(text, secretEncoding)
    if (key === undefined) return []
    return (['sha256', 'sha512', 'sha1'] as const).map((algorithm) => ({
      secret,
      secretEncoding,
      algorithm,
      weight: 0,
      isLength: (length: number) => length === HMAC_BYTES[algorithm],
      matcher: (content: Buffer) => {
        const digest = createHmac(algorithm, key).update(content).digest()
        return (signature: Buffer) => timingSafeEqual(digest, signature)
      },
    }))
  }),
  ...(['ed25519', 'ecdsa', 'rsa'] as const).flatMap((kind) =>
    (['base64', 'hex'] as const).flatMap((secretEncoding): Candidate[] => {
      const key = publicKeyIn(text, kind, secretEncoding)
      if (key === undefined) return []
      const hash = kind === 'ed25519' ? null : 'sha256'
      return [
        {
          secret,
          secretEncoding,
          algorithm: PUBLIC_NAMES[kind],
          weight: PUBLIC_CHECK_BYTES,
          isLength: PUBLIC_LENGTHS[kind],
          matcher: (content) => (signature) => {
            const dsaEncoding = signature.length === P256_BYTES ? 'ieee-p1363' : 'der'
            return verify(hash, content, kind === 'ecdsa' ? { key, dsaEncoding } : key, signature)
          },
        },
      ]
    }),
  ),
]

const PUBLIC_NAMES = { ed25519: 'ed25519', ecdsa: 'ecdsa-p256', rsa: 'rsa-sha256' } as const
const PUBLIC_LENGTHS: Readonly<Record<PublicKeyKind, (length: number) => boolean>> = {
  ed25519: (length) => length === P256_BYTES,
  ecdsa: (length) => length >= P256_BYTES && length <= DER_BYTES_MAX,
  rsa: (length) => length >= RSA_BYTES.min,
}

const publicKeyIn = (
  text: string,
  kind: PublicKeyKind,
  encoding: 'base64' | 'hex',
): KeyObject | undefined => {
  try {
    return publicKeyOf(text.replace(/^whpk_/, ''), kind, encoding)
  } catch {
    return undefined
  }
}

/** Everything in a header that could be the signature: the value, or a part of it after a label. */
const offersOf = (header: string, value: string): Offer[] =>
  value
    .split(/[\s,;]+/)
    .flatMap((piece) => [...new Set([piece, piece.replace(/^\w{1,16}=/, '')])])
    .flatMap((piece) =>
      SIGNATURE_ENCODINGS.flatMap((encoding) => {
        const bytes =
          decodeStrict(piece, encoding) ??
          (encoding === 'base64' ? decodeStrict(`${piece}=`, encoding) : undefined)
        return bytes !== undefined && couldSign(bytes) ? [{ header, encoding, bytes }] : []
      }),
    )

const HMAC_LENGTHS: ReadonlySet<number> = new Set(Object.values(HMAC_BYTES))

const couldSign = (bytes: Buffer): boolean =>
  HMAC_LENGTHS.has(bytes.length) ||
  (bytes[0] === DER_SEQUENCE && bytes.length > P256_BYTES && bytes.length <= DER_BYTES_MAX) ||
  (bytes.length >= RSA_BYTES.min && bytes.length <= RSA_BYTES.max)

const NO_PARTS: SignedParts = { timestamp: '', id: '', method: '', url: '', headers: new RequestHeaders([]) }

const isTime = (text: string): boolean =>
  (['s', 'ms', 'iso'] as const).some((unit) => parseTimestamp(text, unit) !== undefined)

/** Each content with each time and id in the headers. */
const partsOf = (headers: readonly (readonly [name: string, value: string])[]) => {
  const pieces = headers.flatMap(([, value]) =>
    value.split(/[,;]\s*/).map((piece) => piece.replace(/^\w{1,4}=/, '')),
  )
  const times = [...new Set(pieces.filter(isTime))].slice(0, PARTS_MAX)
  const ids = headers
    .flatMap(([name, value]) => (/(?:^|-)id$/.test(name) && ID.test(value) ? [value] : []))
    .slice(0, PARTS_MAX)
  return CONTENTS.flatMap((content) => {
    const { usesTimestamp, usesId, before, after } = compileContent(content)
    return (usesTimestamp ? times : ['']).flatMap((timestamp) =>
      (usesId ? ids : ['']).map((id) => ({
        content,
        before: before({ ...NO_PARTS, timestamp, id }),
        after: after({ ...NO_PARTS, timestamp, id }),
      })),
    )
  })
}

const named = (match: Omit<ShadowMatch, 'preset'>): ShadowMatch => {
  const preset = Object.values(PRESETS).find(
    ({ name, verifier }) =>
      name !== 'custom' &&
      isSignature(verifier) &&
      verifier.header === match.header &&
      algorithmName(verifier) === match.algorithm &&
      verifier.encoding === match.encoding &&
      verifier.content === match.content &&
      verifier.secretEncoding === match.secretEncoding,
  )
  return { preset: preset?.preset ?? 'none', ...match }
}

/** A signature may be found in two pieces of a header. */
const distinct = (matches: readonly ShadowMatch[]): ShadowMatch[] => [
  ...new Map(matches.map((match) => [JSON.stringify(match), match])).values(),
]
