import { parse, stringify } from 'node:querystring'

/** The request line. */
export interface RequestLine {
  readonly method: string
  /** Path and query as received, or an absolute URL. */
  readonly target: string
}

export const POST_LINE: RequestLine = { method: 'POST', target: '/' }

const ABSOLUTE = /^https?:\/\/[^/?]*/i
const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'https:': '443', 'http:': '80' }

/** What is wrong with the configured URL that a provider calls. */
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
    : 'must end with the path: Weir adds the query of each request'
}

/** The URLs that a provider may have signed for a request's target. */
export interface CalledUrls {
  /** Without repeats, the most likely first. */
  candidates(target: string): readonly string[]
  /**
   * The same URL for all targets that share a candidate, because someone who repeats a request can choose between those
   * targets.
   */
  canonical(target: string): string
}

/**
 * Targets get the path of `publicUrl`, or keep their own if it has none. Each URL is tried with and without its port,
 * and with its escapes as received and rewritten, because the servers of one provider differ. Twilio's
 * `validateRequest` tries the same.
 */
export const calledUrls = (publicUrl: string): CalledUrls => {
  const { origin, port, pathname, protocol } = new URL(publicUrl)
  const path = pathname === '/' ? undefined : pathname
  const other = port === '' ? origin + `:${DEFAULT_PORTS[protocol]!}` : origin.slice(0, -`:${port}`.length)
  const calledPath = (whole: string): string => {
    const target = whole.replace(ABSOLUTE, '')
    const query = target.indexOf('?')
    return path === undefined ? target : path + (query < 0 ? '' : target.slice(query))
  }
  return {
    candidates: (whole) => {
      const target = calledPath(whole)
      const normal = withUrlEscapes(origin, target)
      const spellings = new Set([target, normal, withQueryEscapes(normal)])
      return [...spellings].flatMap((spelling) => [origin + spelling, other + spelling])
    },
    canonical: (whole) =>
      (origin + withQueryEscapes(withUrlEscapes(origin, calledPath(whole)))).replace(/\?$/, ''),
  }
}

const withUrlEscapes = (origin: string, target: string): string => {
  const { pathname, search, hash } = new URL(origin + target)
  return pathname + search + hash
}

const withQueryEscapes = (target: string): string => {
  const at = target.indexOf('?')
  if (at < 0 || at === target.length - 1) return target
  return `${target.slice(0, at)}?${stringify(parse(target.slice(at + 1)))}`
}
