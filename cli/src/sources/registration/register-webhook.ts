import { setTimeout as sleep } from 'node:timers/promises'
import { answerOf, RegistrationError, type OAuthToken, type ProviderAnswer } from './oauth-token.ts'

export interface RegisterOptions {
  readonly hostUrl: string
  /** Path of the request, such as `/api/v2/webhooks`. */
  readonly path: string
  /** Permissions that the client lacks when the provider responds with 403. */
  readonly rights: string
  readonly body: object
  readonly token: OAuthToken
  /** Waits before the second and the third attempt after 429, when the response names none, ms. */
  readonly backoffMs?: readonly number[]
}

export type Registration =
  { readonly kind: 'registered'; readonly webhookId: string | undefined } | { readonly kind: 'exists' }

const BACKOFF_MS = [2_000, 4_000]
const RETRY_AFTER_MS_MAX = 60_000

/**
 * Registers a webhook. One that exists already (409) counts as registered. A refused token (401) is requested again
 * once, and 429 is waited out, with three attempts in all. Rejects with a `RegistrationError`.
 */
export const registerWebhook = async (options: RegisterOptions): Promise<Registration> => {
  const { path, rights, token, backoffMs = BACKOFF_MS } = options
  let hasNewToken = false
  for (let throttled = 0; ;) {
    const answer = await post(options)
    const { status, json } = answer
    if (status >= 200 && status < 300) {
      const { webhookId, id } = (json ?? {}) as Record<string, unknown>
      const found = webhookId ?? id
      return { kind: 'registered', webhookId: typeof found === 'string' ? found : undefined }
    }
    if (status === 409) return { kind: 'exists' }
    if (status === 401 && !hasNewToken) {
      hasNewToken = true
      token.forget()
    } else if (status === 429 && throttled < backoffMs.length) {
      await sleep(waitOf(answer, backoffMs[throttled]!))
      throttled += 1
    } else {
      const why = status === 403 ? `: give the client ${rights}` : ''
      throw new RegistrationError(`${path} responds with status ${status}${why}`)
    }
  }
}

const post = async ({ hostUrl, path, body, token }: RegisterOptions): Promise<ProviderAnswer> =>
  answerOf(`${hostUrl}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await token.get()}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

const waitOf = ({ headers }: ProviderAnswer, otherwiseMs: number): number => {
  const seconds = headers.get('retry-after')
  const isGiven = seconds !== null && /^\d{1,5}$/.test(seconds)
  return isGiven ? Math.min(RETRY_AFTER_MS_MAX, 1_000 * Number(seconds)) : otherwiseMs
}
