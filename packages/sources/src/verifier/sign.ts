import { createHmac, createPrivateKey, sign as signPrivately, type KeyObject } from 'node:crypto'
import { calledUrls, POST_LINE, type RequestLine } from './content/request-line.ts'
import { RequestHeaders } from './content/request-headers.ts'
import { secretBytes, SecretError } from './secrets.ts'
import { compileContent } from './content/signed-content.ts'
import type { SignatureSpec } from './spec.ts'
import { formatTimestamp } from './timestamp.ts'

export interface SigningMoment {
  /** Epoch ms. */
  readonly now?: number
  readonly id?: string
  readonly line?: RequestLine
  /** Other headers of the request. Some of them may be signed. */
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * All headers with which the provider would sign these bytes. Throws a `SecretError` if the secret does not have the
 * spec's encoding. `secret`: the private key in PEM for algorithms with a public key.
 */
export const signedHeaders = (
  spec: SignatureSpec,
  secret: string,
  raw: Buffer,
  moment: SigningMoment = {},
): Readonly<Record<string, string>> => {
  const { now = Date.now(), id = 'msg_1' } = moment
  const { timestamp: timing, idHeader } = spec
  const timestamp = timing === undefined ? '' : formatTimestamp(now, timing.unit)
  const text = contentOf(spec, raw, timestamp, { ...moment, id })
  const signature = spec.prefix + signatureOf(spec, secret, text).toString(spec.encoding)
  const pair = timing?.pair === undefined ? '' : `${timing.pair}=${timestamp}${spec.separator ?? ','}`
  const value = {
    single: signature,
    list: `${spec.label},${signature}`,
    pairs: `${pair}${spec.label}=${signature}`,
  }
  return {
    [spec.header]: value[spec.form],
    ...(timing?.header !== undefined && { [timing.header]: timestamp }),
    ...(idHeader !== undefined && { [idHeader]: id }),
  }
}

/** Only the value of the signature header, which is enough for schemes that sign just the body. */
export const sign = (spec: SignatureSpec, secret: string, raw: Buffer, moment?: SigningMoment): string =>
  signedHeaders(spec, secret, raw, moment)[spec.header]!

const contentOf = (
  spec: SignatureSpec,
  raw: Buffer,
  timestamp: string,
  { id = '', line = POST_LINE, headers = {} }: SigningMoment,
): Buffer => {
  const content = compileContent(spec.content)
  const url = spec.publicUrl === undefined ? '' : calledUrls(spec.publicUrl).candidates(line.target)[0]!
  const parts = { timestamp, id, url, method: line.method, headers: RequestHeaders.of(headers) }
  const body = content.body(raw, parts)
  if (body === undefined) throw new RangeError(`this body cannot be signed as ${spec.content}`)
  return Buffer.concat([Buffer.from(content.before(parts)), body, Buffer.from(content.after(parts))])
}

const signatureOf = (spec: SignatureSpec, secret: string, text: Buffer): Buffer => {
  if (spec.kind !== 'hmac') {
    const hash = spec.kind === 'rsa' ? spec.algorithm : spec.kind === 'ecdsa' ? 'sha256' : null
    return signPrivately(hash, text, privateKeyOf(secret))
  }
  const key = secretBytes(secret, spec.secretEncoding)
  if (key === undefined) throw new SecretError(`the secret is not ${spec.secretEncoding}`)
  return createHmac(spec.algorithm, key).update(text).digest()
}

const privateKeyOf = (pem: string): KeyObject => {
  try {
    return createPrivateKey(pem)
  } catch {
    throw new SecretError('the secret is not a private key in PEM')
  }
}
