/** Key in lower case, and value, in the order they came. */
export type XfccElement = readonly (readonly [key: string, value: string])[]

/**
 * A quoted value has `\` before a quote; what else has a `\` is the certificate's own spelling. Blanks behind a plain
 * value are a part of it until they are trimmed: two places for them would make long runs of them expensive.
 */
const PAIR = /[ \t]*([a-z]+)=(?:"((?:[^"\\]|\\[^])*)"[ \t]*|([^",;]*))(;|,|$)/iy

/**
 * The elements of Envoy's `X-Forwarded-Client-Cert`, one for each proxy; undefined: it is not of this form. A client
 * that leaves a quote open cannot hide the element that a proxy appends: the whole text is then refused.
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
