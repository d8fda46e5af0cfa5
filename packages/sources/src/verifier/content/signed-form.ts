import { isUtf8 } from 'node:buffer'
import { createHash, timingSafeEqual } from 'node:crypto'
import { isBareJson } from '@weir/contracts'

const FORM_TYPE = /^application\/x-www-form-urlencoded\s*(?:;|$)/i
const HASH_PARAMETER = 'bodySHA256'
const HEX_SHA256 = /^[\da-f]{64}$/i

/**
 * What Twilio signs after the URL. For a form: its parameters, sorted by name, names and values joined without
 * separators. For any other body: nothing, because the URL contains its hash as `bodySHA256`. Undefined if that hash is
 * absent or wrong.
 */
export const signedForm = (raw: Buffer, contentType: string | undefined, url: string): Buffer | undefined => {
  const given = new URL(url).searchParams.get(HASH_PARAMETER)
  if (given === null) {
    return contentType !== undefined && FORM_TYPE.test(contentType) ? sortedParameters(raw) : undefined
  }
  if (!HEX_SHA256.test(given)) return undefined
  const isSame = timingSafeEqual(createHash('sha256').update(raw).digest(), Buffer.from(given, 'hex'))
  return isSame ? NOTHING : undefined
}

const NOTHING = Buffer.alloc(0)

/**
 * A repeated name is written with each of its values once, in their order. Undefined if the form cannot be decoded,
 * because other bytes would have the same signature.
 */
const sortedParameters = (raw: Buffer): Buffer | undefined => {
  // Weir would read it as JSON, in another way than Twilio signs it.
  if (!isUtf8(raw) || isBareJson(raw)) return undefined
  const values = new Map<string, Set<string>>()
  try {
    for (const piece of raw.toString().split('&')) {
      if (piece === '') continue
      const end = piece.indexOf('=')
      const name = decoded(end < 0 ? piece : piece.slice(0, end))
      const all = values.get(name) ?? new Set()
      values.set(name, all.add(end < 0 ? '' : decoded(piece.slice(end + 1))))
    }
  } catch {
    return undefined
  }
  // In the order of UTF-16 code units, as in Twilio's own library.
  const names = [...values.keys()].sort()
  return Buffer.from(
    names.flatMap((name) => [...values.get(name)!].sort().map((value) => name + value)).join(''),
  )
}

/** Throws a `URIError` for an escape that is not UTF-8. */
const decoded = (text: string): string => decodeURIComponent(text.replaceAll('+', ' '))
