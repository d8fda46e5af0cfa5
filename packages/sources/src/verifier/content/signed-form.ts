import { isUtf8 } from 'node:buffer'
import { createHash, timingSafeEqual } from 'node:crypto'
import { isBareJson } from '@weir/contracts'

const FORM_TYPE = /^application\/x-www-form-urlencoded\s*(?:;|$)/i
const HASH_PARAMETER = 'bodySHA256'
const HEX_SHA256 = /^[\da-f]{64}$/i

/**
 * What Twilio signs behind the address: of a form its parameters, sorted by name, names and values without anything
 * between them. Of any other body nothing: the address has its hash as `bodySHA256`, and undefined says that it has
 * none or another one.
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
 * A name that comes several times is written with each of its values once, in their order. Undefined for what cannot be
 * decoded: other bytes would be signed alike.
 */
const sortedParameters = (raw: Buffer): Buffer | undefined => {
  // As JSON it is read in another way than it would be signed.
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
  // By UTF-16 code units, as Twilio's own library does.
  const names = [...values.keys()].sort()
  return Buffer.from(
    names.flatMap((name) => [...values.get(name)!].sort().map((value) => name + value)).join(''),
  )
}

/** Throws a `URIError` for an escape that is not UTF-8. */
const decoded = (text: string): string => decodeURIComponent(text.replaceAll('+', ' '))
