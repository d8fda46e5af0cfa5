import type { RequestHeaders } from './request-headers.ts'
import { calledUrls, POST_LINE, type RequestLine } from './request-line.ts'
import { readEntries } from '../signature-entries.ts'
import { compileContent } from './signed-content.ts'
import type { SignatureSpec } from '../spec.ts'

/** The signed bytes of an authentic request. */
export type ContentReader = (headers: RequestHeaders, raw: Buffer, line?: RequestLine) => Buffer

/**
 * The signature is not included. The same content can have many signatures, by other secrets or with other ECDSA
 * nonces.
 */
export const createContentReader = (spec: SignatureSpec): ContentReader => {
  const content = compileContent(spec.content)
  const urls = spec.publicUrl === undefined ? undefined : calledUrls(spec.publicUrl)
  const { timestamp: timing, idHeader } = spec
  const timestampOf = (headers: RequestHeaders): string => {
    if (timing === undefined) return ''
    if (timing.header !== undefined) return headers.get(timing.header) ?? ''
    return readEntries(spec, headers.get(spec.header) ?? '')?.timestamp ?? ''
  }
  return (headers, raw, line = POST_LINE) => {
    const parts = {
      timestamp: timestampOf(headers),
      id: idHeader === undefined ? '' : (headers.get(idHeader) ?? ''),
      method: line.method,
      url: urls?.canonical(line.target) ?? '',
      headers,
    }
    const body = content.body(raw, parts) ?? raw
    return Buffer.concat([Buffer.from(content.before(parts)), body, Buffer.from(content.after(parts))])
  }
}
