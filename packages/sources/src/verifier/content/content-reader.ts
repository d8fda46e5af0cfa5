import type { RequestHeaders } from './request-headers.ts'
import { calledUrls, POST_LINE, type RequestLine } from './request-line.ts'
import { readEntries } from '../signature-entries.ts'
import { compileContent } from './signed-content.ts'
import type { SignatureSpec } from '../spec.ts'

/** The bytes that an authentic request has signed. */
export type ContentReader = (headers: RequestHeaders, raw: Buffer, line?: RequestLine) => Buffer

/** Not the signature: of one content there may be many, by other secrets or with other numbers of ECDSA. */
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
