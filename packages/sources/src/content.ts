import type { BodyForm, ContentCoding, FormLayout } from '@weir/contracts'
import type { RequestHeaders } from './verifier/content/request-headers.ts'

/** How the bodies of a source may be sent. */
export interface ContentRules {
  /** Accepted media types without parameters. If empty: any JSON type, and forms if `form` is set. */
  readonly mediaTypes: readonly string[]
  /** What a form contains: JSON under the wrong media type, JSON in the field `payload`, or fields. */
  readonly form?: 'json' | FormLayout
  /** Accepted compressions. */
  readonly acceptEncodings: readonly ContentCoding[]
}

export const FORM_TYPE = 'application/x-www-form-urlencoded'
/** Stands for all types like `application/cloudevents+json`. */
export const JSON_SUFFIX_TYPE = 'application/*+json'
const JSON_SUFFIX = /^application\/[\w.-]+\+json$/

export const mediaTypeOf = (contentType: string): string => contentType.split(';', 1)[0]!.trim().toLowerCase()

export const acceptsMediaType = (
  { mediaTypes, form }: ContentRules,
  contentType: string | undefined,
): boolean => {
  if (contentType === undefined) return false
  const type = mediaTypeOf(contentType)
  if (mediaTypes.includes(type)) return true
  if (mediaTypes.length > 0) return mediaTypes.includes(JSON_SUFFIX_TYPE) && JSON_SUFFIX.test(type)
  return type === 'application/json' || JSON_SUFFIX.test(type) || (form !== undefined && type === FORM_TYPE)
}

const CODINGS: ReadonlyMap<string, ContentCoding> = new Map([
  ['gzip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['deflate', 'deflate'],
])

/** Undefined if the body is not compressed. `not_accepted` if the source does not accept its compression. */
export const contentCodingOf = (
  { acceptEncodings }: ContentRules,
  headers: RequestHeaders,
): ContentCoding | 'not_accepted' | undefined => {
  if (headers.count('content-encoding') === 0) return undefined
  const given = headers.get('content-encoding')?.toLowerCase()
  if (given === 'identity') return undefined
  const coding = given === undefined ? undefined : CODINGS.get(given)
  return coding !== undefined && acceptEncodings.includes(coding) ? coding : 'not_accepted'
}

/** How to find the JSON in the bytes of an accepted request. Undefined if the bytes are the JSON. */
export const bodyFormOf = (rules: ContentRules, headers: RequestHeaders): BodyForm | undefined => {
  const { form, acceptEncodings } = rules
  if (form === undefined && acceptEncodings.length === 0) return undefined
  const coding = contentCodingOf(rules, headers)
  const isForm =
    form !== undefined && form !== 'json' && mediaTypeOf(headers.get('content-type') ?? '') === FORM_TYPE
  const layout = isForm ? form : undefined
  if ((coding === undefined || coding === 'not_accepted') && layout === undefined) return undefined
  return {
    ...(coding !== undefined && coding !== 'not_accepted' && { coding }),
    ...(layout !== undefined && { layout }),
  }
}
