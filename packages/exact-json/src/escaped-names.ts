/**
 * `JSON.parse` of V8 12.8 to 13.7 (Node 24 before 24.22) can misread a name that is written with an escape: having read
 * `{"h":[],"id\\":0}`, it takes the name in `{"h":1,"id\n":2}` for `id\`, and tells a reviver no source of its number.
 * Strings that are values it reads right, and what is not JSON it refuses. So each such name is written here without an
 * escape, or stands as a place-holder.
 */

/**
 * The beginning of a placeholder. A name that begins with it gets a placeholder, too, so placeholders are unambiguous.
 */
const MARK = '\u{e000}'
const COLON = /[ \t\n\r]*:/y
/** Characters that a JSON string must escape. */
const NEEDS_ESCAPE = /[\0-\x1f"\\]/

/**
 * Whether JSON has a name with an escape; of what is not JSON it may say either. Only strings with a backslash are
 * looked at.
 */
export const hasEscapedName = (text: string): boolean => {
  for (let at = text.indexOf('\\'); at !== -1; at = text.indexOf('\\', at)) {
    at = endOfString(text, at)
    if (isName(text, at)) return true
  }
  return false
}

export interface Respelled {
  readonly text: string
  /** Restores the names of the fields of an object. */
  readonly rename: (object: object) => object
}

/** Rewrites valid JSON without escapes in names. */
export const respellNames = (text: string): Respelled => {
  const names: string[] = []
  let respelled = ''
  let from = 0
  for (let at = text.indexOf('"'), end = 0; at !== -1; at = text.indexOf('"', end + 1)) {
    end = endOfString(text, at + 1)
    if (!isName(text, end)) continue
    const written = text.slice(at, end + 1)
    if (!written.includes('\\') && text[at + 1] !== MARK) continue
    const name = JSON.parse(written) as string
    const spelling =
      name.startsWith(MARK) || NEEDS_ESCAPE.test(name) ? `${MARK}${names.push(name) - 1}` : name
    respelled += `${text.slice(from, at)}"${spelling}"`
    from = end + 1
  }
  const trueName = (name: string): string => (name.startsWith(MARK) ? names[Number(name.slice(1))]! : name)
  return {
    text: respelled + text.slice(from),
    rename: (object) =>
      Object.fromEntries(Object.entries(object).map(([name, one]) => [trueName(name), one])),
  }
}

/** The position of the quote that ends the string in which `at` is, not behind the backslash of an escape. */
const endOfString = (text: string, at: number): number => {
  for (let end = text.indexOf('"', at); end !== -1; end = text.indexOf('"', end + 1)) {
    let before = end
    while (before > at && text[before - 1] === '\\') before -= 1
    if ((end - before) % 2 === 0) return end
  }
  return text.length
}

const isName = (text: string, endOfString: number): boolean => {
  COLON.lastIndex = endOfString + 1
  return COLON.test(text)
}
