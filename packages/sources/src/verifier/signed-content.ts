/** The parts of a request that a signature may cover besides its body. */
export interface SignedParts {
  readonly timestamp: string
  readonly id: string
}

/** What is signed, ready to be fed to a hash: `before`, the raw body, `after`. */
export interface SignedContent {
  readonly usesTimestamp: boolean
  readonly usesId: boolean
  readonly before: (parts: SignedParts) => string
  readonly after: (parts: SignedParts) => string
}

const FIELD = /\{([^{}]*)\}/g

/** Takes a text such as `{timestamp}.{body}`; throws a `RangeError` that says what is wrong with it. */
export const compileContent = (text: string): SignedContent => {
  const names = [...text.matchAll(FIELD)].map(([, name]) => name!)
  const unknown = names.find((name) => name !== 'body' && name !== 'timestamp' && name !== 'id')
  if (unknown !== undefined) throw new RangeError(`{${unknown}} is none of {body}, {timestamp} and {id}`)
  if (names.filter((name) => name === 'body').length !== 1) throw new RangeError('{body} must be there once')
  const [before = '', after = ''] = text.split('{body}')
  return {
    usesTimestamp: names.includes('timestamp'),
    usesId: names.includes('id'),
    before: filler(before),
    after: filler(after),
  }
}

const filler = (text: string): ((parts: SignedParts) => string) => {
  if (!text.includes('{')) return () => text
  return ({ timestamp, id }) => text.replace(FIELD, (_, name) => (name === 'id' ? id : timestamp))
}
