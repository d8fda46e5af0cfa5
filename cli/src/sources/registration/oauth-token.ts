import { askHttp, type HttpQuestion } from '@weir/runtime'

/** The provider refuses the registration or does not respond. The message says what to do and holds no secret. */
export class RegistrationError extends Error {
  override readonly name = 'RegistrationError'
}

export interface OAuthOptions {
  /** Base URL of the provider's API, without a path. */
  readonly hostUrl: string
  readonly clientId: string
  readonly clientSecret: string
  /** Empty: the scopes that the client has. */
  readonly scopes: readonly string[]
  /** Epoch ms, for tests. */
  readonly now?: () => number
}

const TIMEOUT_MS = 10_000
/** How long before its expiry a token is replaced. */
const EARLY_MS = 60_000

/** A token by OAuth 2 client credentials, kept until one minute before its expiry. */
export class OAuthToken {
  readonly #options: OAuthOptions
  #token: { readonly text: string; readonly until: number } | undefined

  constructor(options: OAuthOptions) {
    this.#options = options
  }

  /** Rejects with a `RegistrationError`. */
  async get(): Promise<string> {
    const now = this.#options.now ?? Date.now
    if (this.#token === undefined || now() >= this.#token.until) this.#token = await this.#ask(now)
    return this.#token.text
  }

  /** Call when the token was refused: the next `get` requests another. */
  forget(): void {
    this.#token = undefined
  }

  async #ask(now: () => number): Promise<{ readonly text: string; readonly until: number }> {
    const { hostUrl, clientId, clientSecret, scopes } = this.#options
    const askedAt = now()
    const response = await answerOf(`${hostUrl}/oauth/token`, {
      method: 'POST',
      // fetch sets the content type application/x-www-form-urlencoded for this body.
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: clientId,
        client_secret: clientSecret,
        ...(scopes.length > 0 && { scope: scopes.join(' ') }),
      }),
    })
    const { access_token: text, expires_in: seconds } = (response.json ?? {}) as Record<string, unknown>
    if (response.status !== 200 || typeof text !== 'string') {
      throw new RegistrationError(
        `/oauth/token responds with status ${response.status}: check CXONE_CLIENT_ID and CXONE_CLIENT_SECRET${
          scopes.length === 0 ? '' : `, and that the client may have the scopes ${scopes.join(' ')}`
        }`,
      )
    }
    return { text, until: askedAt + 1_000 * (Number(seconds) || 0) - EARLY_MS }
  }
}

export interface ProviderAnswer {
  readonly status: number
  readonly headers: Headers
  /** Undefined: the response is not JSON. */
  readonly json: unknown
}

/** Rejects with a `RegistrationError` when no complete response arrives in time, or a redirect. */
export const answerOf = async (
  url: string,
  question: Omit<HttpQuestion, 'timeoutMs'>,
): Promise<ProviderAnswer> => {
  const { host, pathname } = new URL(url)
  const { status, headers, text } = await askHttp(url, { ...question, timeoutMs: TIMEOUT_MS }).catch(
    (error: unknown) => {
      throw new RegistrationError(`${host} does not respond: ${(error as Error).message}`, { cause: error })
    },
  )
  if (status >= 300 && status < 400) {
    throw new RegistrationError(
      `${pathname} of ${host} responds with status ${status}: a redirect is not followed, because it would carry the credentials to another host. Set CXONE_INSTANCE to the host that responds itself.`,
    )
  }
  return { status, headers, json: jsonOf(text) }
}

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
