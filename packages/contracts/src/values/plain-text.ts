/**
 * Characters that a terminal or a line reader acts on: C0 and C1 control characters, line separators, invisible and
 * direction marks (bidi, zero width, tags, fillers), and lone surrogates.
 */
const ACTIVE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu

const escaped = (text: string): string => {
  let all = ''
  // JSON escapes UTF-16 units.
  for (let at = 0; at < text.length; at += 1) {
    all += `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`
  }
  return all
}

/** Makes text from outside safe to show: one line, with every active character escaped. */
export const plainText = (text: string): string => text.replace(ACTIVE, escaped)

/** As `plainText`, but keeps line feeds. */
export const plainLines = (text: string): string =>
  text.replace(ACTIVE, (one) => (one === '\n' ? one : escaped(one)))

/** JSON of a value with every active character escaped. With `indent` it has several lines. */
export const plainJson = (value: unknown, indent?: number): string =>
  plainLines(JSON.stringify(value, undefined, indent))
