import { isSameText } from '@weir/contracts'
import type { RequestHeaders } from '../verifier/content/request-headers.ts'

/** Azure Functions accepts its keys in the same two places. */
const PARAMETER = 'code'
const HEADER = 'x-functions-key'

/**
 * Tells whether a request has one of the tokens exactly once, as `?code=` or in its header. Every comparison takes
 * constant time.
 */
export const hasQueryToken = (
  target: string,
  headers: RequestHeaders,
  tokens: readonly string[],
): boolean => {
  const at = target.indexOf('?')
  const inQuery = at < 0 ? [] : new URLSearchParams(target.slice(at + 1)).getAll(PARAMETER)
  const inHeader = headers.get(HEADER)
  const given = inHeader === undefined ? inQuery : [...inQuery, inHeader]
  if (given.length !== 1) return false
  return tokens.map((token) => isSameText(given[0]!, token)).includes(true)
}
