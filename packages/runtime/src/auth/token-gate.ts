import { credentialsOf } from '@weir/contracts'
import type { AccessTokens, TokenHolder } from './access-tokens.ts'
import { GuessLimit, type GuessLimitOptions } from './guess-limit.ts'

export type Admission =
  | { readonly kind: 'admitted'; readonly holder: TokenHolder }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'limited'; readonly retryAfterSecs: number }

/**
 * Admits requests whose `Authorization` header has a known token, and limits how many wrong tokens one client may try.
 */
export class TokenGate {
  readonly #tokens: AccessTokens
  readonly #limit: GuessLimit

  constructor(tokens: AccessTokens, limit: GuessLimitOptions) {
    this.#tokens = tokens
    this.#limit = new GuessLimit(limit)
  }

  admit(authorization: string | undefined, address: string): Admission {
    const holder = this.#tokens.find(authorization, Date.now())
    if (holder !== undefined) return { kind: 'admitted', holder }
    const given = credentialsOf('bearer', authorization) ?? authorization
    const waitMs = this.#limit.add(address, given, performance.now())
    return waitMs === 0 ? { kind: 'unknown' } : { kind: 'limited', retryAfterSecs: Math.ceil(waitMs / 1_000) }
  }
}
