export const CERTIFICATE_FORMS = ['xfcc', 'subject', 'fingerprint'] as const
export type CertificateForm = (typeof CERTIFICATE_FORMS)[number]

/** Which client certificates are accepted, and how the proxy reports the certificate of a connection. */
export interface CertificateSpec {
  /** In lower case. */
  readonly header: string
  readonly form: CertificateForm
  /** Spelled as `identityOf` returns them. */
  readonly identities: readonly string[]
}

/** A SHA-256 fingerprint: 64 digits, with a colon between all pairs or between none. */
const FINGERPRINT = /^(?:[\da-f]{64}|(?:[\da-f]{2}:){31}[\da-f]{2})$/i
/** Proxies escape other characters, because headers are ASCII. */
const PLAIN = /^[!-~](?:[ -~]*[!-~])?$/
const XFCC_IDENTITY = /^(hash|subject|uri|dns)=([^]*)$/i

/** Without colons and in lower case. Undefined if the text is not a SHA-256 fingerprint. */
export const fingerprintOf = (text: string): string | undefined =>
  FINGERPRINT.test(text) ? text.replaceAll(':', '').toLowerCase() : undefined

/** The canonical spelling of an identity from the sources file. Undefined if no proxy can ever send it. */
export const identityOf = (form: CertificateForm, text: string): string | undefined => {
  if (form === 'fingerprint') return fingerprintOf(text)
  if (form === 'subject') return PLAIN.test(text) ? text : undefined
  const [, key, value] = XFCC_IDENTITY.exec(text) ?? []
  return key === undefined || !PLAIN.test(value!) ? undefined : xfccIdentity(key.toLowerCase(), value!)
}

/** One field of an element. Undefined if its hash is not a SHA-256 fingerprint. */
export const xfccIdentity = (key: string, value: string): string | undefined => {
  const spelt = key === 'hash' ? fingerprintOf(value) : value
  return spelt === undefined ? undefined : `${key}=${spelt}`
}

export const IDENTITY_HINTS: Readonly<Record<CertificateForm, string>> = {
  xfcc: 'write Hash=<SHA-256>, Subject=<DN>, URI=<SAN> or DNS=<SAN>, in ASCII as the proxy writes it',
  subject: 'write the subject in ASCII, exactly as the proxy writes it',
  fingerprint: 'write the SHA-256 of the certificate: 64 hexadecimal digits, with or without colons',
}
