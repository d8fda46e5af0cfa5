/** Replaces the characters that PostgreSQL's text and jsonb cannot hold. */
export const REPLACEMENT = '\uFFFD'

/** A text as the database stores it, with NUL and lone surrogates replaced. */
export const storedText = (text: string): string => text.toWellFormed().replaceAll('\0', REPLACEMENT)
