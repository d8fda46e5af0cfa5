/** What a payload may hold to act upon whoever reads it later, by kind. */
export const HOSTILE_TEXTS: Readonly<Record<string, string>> = {
  'erase and title': '\u001b[2J\u001b[H\u001b]0;owned\u0007',
  'a link': '\u001b]8;;http://evil.example\u001b\\click\u001b]8;;\u001b\\',
  'the clipboard': '\u001b]52;c;ZXZpbA==\u0007',
  'device control': '\u001bP+q544e\u001b\\',
  'C1 controls': '\u009b2J\u009d0;owned\u009c\u0090q\u009c\u0085',
  'bell, backspace, delete': '\u0007\b\b\b\u007f',
  'a forged line': 'x\r\njob job-1 is done: {"matched":0}\nreplayed 3/1041',
  'separators of lines': 'a\u2028b\u2029c\u0085d\u000be\u000cf',
  'bidi overrides': '\u202etxt.exe\u202c\u202d\u202a\u202b',
  'bidi isolates': '\u2066a\u2067b\u2068c\u2069\u200e\u200f\u061c',
  'zero width': 'a\u200bb\u200cc\u200dd\u2060e\ufefff\u00adg\u180eh',
  'tags and selectors': '\u{e0041}\u{e007f}a\ufe0f\u3164',
  'half surrogates': '\ud83d a \ude00',
  formulas: '=HYPERLINK("http://evil.example")',
  HTML: '<img src=x onerror=alert(1)>',
}

/** Ranges of code points, in the suite's own words: a fault in Weir's list is not repeated here. */
const ACTIVE: readonly (readonly [number, number])[] = [
  ...([
    [0x00, 0x09],
    [0x0b, 0x1f],
    [0x7f, 0x9f],
    [0xad, 0xad],
    [0x61c, 0x61c],
  ] as const),
  ...([
    [0x180e, 0x180e],
    [0x200b, 0x200f],
    [0x2028, 0x202e],
    [0x2060, 0x206f],
  ] as const),
  ...([
    [0x3164, 0x3164],
    [0xd800, 0xdfff],
    [0xfe00, 0xfe0f],
    [0xfeff, 0xfeff],
    [0xe0000, 0xe0fff],
  ] as const),
]

/** Code points that act, line feeds apart. Half surrogates come out of a pipe as U+FFFD. */
export const activeIn = (text: string): readonly string[] => {
  const found = Array.from(text)
    .map((one) => one.codePointAt(0)!)
    .filter((code) => code === 0xfffd || ACTIVE.some(([from, to]) => code >= from && code <= to))
  return [...new Set(found)].map((code) => `U+${code.toString(16)}`)
}
