export const CERTIFICATE_FORMS = ['xfcc', 'subject', 'fingerprint'] as const
export type CertificateForm = (typeof CERTIFICATE_FORMS)[number]

/** Which client certificates are accepted, and how the proxy reports the one that it has seen. */
export interface CertificateSpec {
  /** In lower case. */
  readonly header: string
  readonly form: CertificateForm
  /** As `identityOf` spells them. */
  readonly identities: readonly string[]
}

/** Of SHA-256: 64 digits, with a colon between all pairs or none. */
const FINGERPRINT = /^(?:[\da-f]{64}|(?:[\da-f]{2}:){31}[\da-f]{2})$/i
/** Proxies write other letters as escapes, so that headers are ASCII. */
const PLAIN = /^[!-~](?:[ -~]*[!-~])?$/
const XFCC_IDENTITY = /^(hash|subject|uri|dns)=([^]*)$/i

/** Without colons, in lower case; undefined: the text is not a SHA-256 fingerprint. */
export const fingerprintOf = (text: string): string | undefined =>
  FINGERPRINT.test(text) ? text.replaceAll(':', '').toLowerCase() : undefined

/** The one spelling of an identity of the sources file; undefined: it can never be sent. */
export const identityOf = (form: CertificateForm, text: string): string | undefined => {
  if (form === 'fingerprint') return fingerprintOf(text)
  if (form === 'subject') return PLAIN.test(text) ? text : undefined
  const [, key, value] = XFCC_IDENTITY.exec(text) ?? []
  return key === undefined || !PLAIN.test(value!) ? undefined : xfccIdentity(key.toLowerCase(), value!)
}

/** One field of an element; undefined: its hash is not a SHA-256 fingerprint. */
export const xfccIdentity = (key: string, value: string): string | undefined => {
  const spelt = key === 'hash' ? fingerprintOf(value) : value
  return spelt === undefined ? undefined : `${key}=${spelt}`
}

export const IDENTITY_HINTS: Readonly<Record<CertificateForm, string>> = {
  xfcc: 'write Hash=<SHA-256>, Subject=<DN>, URI=<SAN> or DNS=<SAN>, in ASCII as the proxy writes it',
  subject: 'write the subject in ASCII, letter by letter as the proxy writes it',
  fingerprint: 'write the SHA-256 of the certificate: 64 hexadecimal digits, with colons or without',
}
