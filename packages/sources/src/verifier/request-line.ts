/** What a request's first line says. */
export interface RequestLine {
  readonly method: string
  /** Path and query as they came, or a whole URL. */
  readonly target: string
}

export const POST_LINE: RequestLine = { method: 'POST', target: '/' }

const ABSOLUTE = /^https?:\/\/[^/?]*/i
const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'https:': '443', 'http:': '80' }

/** What is wrong with the address that a provider is said to call. */
export const publicUrlProblem = (publicUrl: string): string | undefined => {
  let url: URL
  try {
    url = new URL(publicUrl)
  } catch {
    return 'is not a URL: write one such as https://hooks.example.com'
  }
  if (!(url.protocol in DEFAULT_PORTS)) return 'must begin with https:// or http://'
  return url.search === '' && url.hash === '' && url.username === ''
    ? undefined
    : 'must end with its path: the query is the one of each request'
}

/**
 * The addresses that a provider may have signed: what it calls, with the path as it came where none is set, and the
 * same with the default port written out.
 */
export const calledUrls = (publicUrl: string): ((target: string) => readonly string[]) => {
  const url = new URL(publicUrl)
  const path = url.pathname === '/' ? undefined : url.pathname
  const defaultPort = `:${DEFAULT_PORTS[url.protocol]!}`
  const origins = [url.origin, ...(url.port === '' ? [url.origin + defaultPort] : [])]
  return (whole) => {
    const target = whole.replace(ABSOLUTE, '')
    const query = target.indexOf('?')
    const from = path === undefined ? target : path + (query < 0 ? '' : target.slice(query))
    return origins.map((origin) => origin + from)
  }
}
