/**
 * What a terminal, or a reader of lines, takes as more than the text itself: control characters of C0 and C1, separators
 * of lines, marks that turn the direction or are not seen (bidi, zero width, tags, fillers), and half surrogates.
 */
const ACTIVE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu

const escaped = (text: string): string => {
  let all = ''
  // By UTF-16 units, as JSON has them.
  for (let at = 0; at < text.length; at += 1) {
    all += `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`
  }
  return all
}

/** Text that others may have chosen, on one line and without power over whoever shows it. */
export const plainText = (text: string): string => text.replace(ACTIVE, escaped)

/** The same where the line feeds are our own. */
export const plainLines = (text: string): string =>
  text.replace(ACTIVE, (one) => (one === '\n' ? one : escaped(one)))

/** JSON of the same value, whose text is plain; with `indent` on several lines. */
export const plainJson = (value: unknown, indent?: number): string =>
  plainLines(JSON.stringify(value, undefined, indent))
