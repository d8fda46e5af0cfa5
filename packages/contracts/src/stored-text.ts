/** Stands for what PostgreSQL's text and jsonb cannot hold. */
export const REPLACEMENT = '\uFFFD'

/** A text as the database holds it: without NUL and lone surrogates. */
export const storedText = (text: string): string => text.toWellFormed().replaceAll('\0', REPLACEMENT)
