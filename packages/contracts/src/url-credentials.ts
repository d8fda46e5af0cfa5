export interface UrlCredentials {
  /** Without user and password, which no URL of a request may have, and without slashes at its end. */
  readonly url: string
  /** Empty where the URL has none, as is the password. */
  readonly user: string
  readonly password: string
}

/** Takes user and password out of a URL. */
export const splitCredentials = (given: string): UrlCredentials => {
  const url = new URL(given)
  const [user, password] = [decoded(url.username), decoded(url.password)]
  url.username = url.password = ''
  return { url: url.href.replace(/\/+$/, ''), user, password }
}

/** A percent sign that encodes nothing stands for itself. */
const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
