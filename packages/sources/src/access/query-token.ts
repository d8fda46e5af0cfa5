import { isSameText } from '@weir/contracts'
import type { RequestHeaders } from '../verifier/content/request-headers.ts'

/** As Azure Functions take their keys. */
const PARAMETER = 'code'
const HEADER = 'x-functions-key'

/** Whether a request has one of the tokens, once, as `?code=` or in its header. Compared in constant time, each of them. */
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
