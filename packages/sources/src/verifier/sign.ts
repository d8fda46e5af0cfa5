import { createHmac } from 'node:crypto'
import { secretBytes, SecretError } from './secrets.ts'
import { compileContent } from './signed-content.ts'
import type { HmacSpec } from './spec.ts'
import { formatTimestamp } from './timestamp.ts'

export interface SigningMoment {
  /** Epoch ms. */
  readonly now?: number
  readonly id?: string
}

/** Every header with which the provider would sign these bytes; throws a `SecretError` when the secret is not of the spec's encoding. */
export const signedHeaders = (
  spec: HmacSpec,
  secret: string,
  raw: Buffer,
  { now = Date.now(), id = 'msg_1' }: SigningMoment = {},
): Readonly<Record<string, string>> => {
  const { timestamp: timing, idHeader } = spec
  const timestamp = timing === undefined ? '' : formatTimestamp(now, timing.unit)
  const signature = spec.prefix + digest(spec, secret, raw, timestamp, id)
  const pair = timing?.pair === undefined ? '' : `${timing.pair}=${timestamp},`
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

/** The value of the signature's header alone: all that a scheme over the body needs. */
export const sign = (spec: HmacSpec, secret: string, raw: Buffer, moment?: SigningMoment): string =>
  signedHeaders(spec, secret, raw, moment)[spec.header]!

const digest = (spec: HmacSpec, secret: string, raw: Buffer, timestamp: string, id: string): string => {
  const key = secretBytes(secret, spec.secretEncoding)
  if (key === undefined) throw new SecretError(`the secret is not ${spec.secretEncoding}`)
  const content = compileContent(spec.content)
  const parts = { timestamp, id }
  return createHmac(spec.algorithm, key)
    .update(content.before(parts))
    .update(raw)
    .update(content.after(parts))
    .digest(spec.encoding)
}
