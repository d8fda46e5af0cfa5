import type { RequestHeaders } from '../verifier/content/request-headers.ts'
import { fingerprintOf, xfccIdentity, type CertificateSpec } from './certificate-spec.ts'
import { parseXfcc } from './xfcc.ts'

/** `stranger`: the connection does not come from a trusted proxy. */
export type CertificateResult = 'good' | 'stranger' | 'missing' | 'malformed' | 'not_listed'

/** `fromProxy`: whether the connection itself comes from a trusted proxy. Forwarded headers do not affect it. */
export type CertificateCheck = (headers: RequestHeaders, fromProxy: boolean) => CertificateResult

/** Checks whether the proxy in front of Weir reports one of the accepted client certificates. */
export const createCertificateCheck = ({ header, form, identities }: CertificateSpec): CertificateCheck => {
  const listed = new Set(identities)
  const read = READERS[form]
  return (headers, fromProxy) => {
    if (!fromProxy) return 'stranger'
    if (headers.count(header) > 1) return 'malformed'
    const text = headers.get(header)
    if (text === undefined) return 'missing'
    const given = read(text)
    if (given === undefined) return 'malformed'
    return given.some((identity) => listed.has(identity)) ? 'good' : 'not_listed'
  }
}

/** The identities in a header. Undefined if the header is malformed. */
type Reader = (text: string) => readonly string[] | undefined

const IDENTITY_KEYS = new Set(['hash', 'subject', 'uri', 'dns'])
/** A certificate has exactly one of each. */
const SINGLE_KEYS = ['hash', 'subject']

const xfccIdentities: Reader = (text) => {
  // The last element was written by the proxy that sent the request. That proxy received the others from outside and
  // cannot vouch for them.
  const element = parseXfcc(text)?.at(-1)
  if (element === undefined) return undefined
  const isTwofold = SINGLE_KEYS.some((single) => element.filter(([key]) => key === single).length > 1)
  if (isTwofold) return undefined
  return element.flatMap(([key, value]) => (IDENTITY_KEYS.has(key) ? (xfccIdentity(key, value) ?? []) : []))
}

const READERS: Readonly<Record<CertificateSpec['form'], Reader>> = {
  xfcc: xfccIdentities,
  subject: (text) => [text],
  fingerprint: (text) => {
    const fingerprint = fingerprintOf(text)
    return fingerprint === undefined ? undefined : [fingerprint]
  },
}
