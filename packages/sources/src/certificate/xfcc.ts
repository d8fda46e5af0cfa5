/** Lower-case keys with their values, in the order of the header. */
export type XfccElement = readonly (readonly [key: string, value: string])[]

/**
 * In a quoted value a backslash escapes only a quote. Any other backslash belongs to the certificate's own spelling.
 * Trailing blanks are part of a plain value until they are trimmed, because a second place for them in the pattern
 * would make long runs of blanks expensive.
 */
const PAIR = /[ \t]*([a-z]+)=(?:"((?:[^"\\]|\\[^])*)"[ \t]*|([^",;]*))(;|,|$)/iy

/**
 * The elements of Envoy's `X-Forwarded-Client-Cert`, one per proxy. Undefined if the header is malformed. If a client
 * leaves a quote open to hide the element that a proxy appends, the whole text is refused.
 */
export const parseXfcc = (text: string): readonly XfccElement[] | undefined => {
  const elements: (readonly [string, string])[][] = []
  let pairs: (readonly [string, string])[] = []
  let at = 0
  for (;;) {
    PAIR.lastIndex = at
    const match = PAIR.exec(text)
    if (match === null) return undefined
    const [whole, key, quoted, plain, end] = match
    const value = quoted === undefined ? plain!.trimEnd() : quoted.replaceAll(/\\([^])/g, unescaped)
    pairs.push([key!.toLowerCase(), value])
    at += whole.length
    if (end === ';') continue
    elements.push(pairs)
    pairs = []
    if (end === '') return elements
  }
}

const unescaped = (both: string, sign: string): string => (sign === '"' ? sign : both)
