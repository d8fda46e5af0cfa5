export interface UrlCredentials {
  /** The URL without user and password, which a request URL must not contain, and without trailing slashes. */
  readonly url: string
  /** User and password are empty if the URL has none. */
  readonly user: string
  readonly password: string
}

/** Separates user and password from a URL. */
export const splitCredentials = (given: string): UrlCredentials => {
  const url = new URL(given)
  const [user, password] = [decoded(url.username), decoded(url.password)]
  url.username = url.password = ''
  return { url: url.href.replace(/\/+$/, ''), user, password }
}

/** Keeps the text if it holds a percent sign that encodes nothing. */
const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
