export const JWT_ALGORITHMS = ['RS256', 'ES256', 'HS256'] as const
export type JwtAlgorithm = (typeof JWT_ALGORITHMS)[number]

/** Which bearer tokens (JWT) prove that a request is the provider's own. */
export interface JwtSpec {
  /** The algorithm that a token names must be one of these. */
  readonly algorithms: readonly JwtAlgorithm[]
  readonly issuers: readonly string[]
  /** One of them must be among a token's own. */
  readonly audiences: readonly string[]
  /** How far the clocks may be apart for `exp` and `nbf`. */
  readonly toleranceSecs: number
  /** Claims that a token must have, each with one of these values. */
  readonly claims: Readonly<Record<string, readonly string[]>>
  /** The claim with the SHA-256 of the body, as hex, base64 or base64url. */
  readonly bodyHashClaim?: string
  /** Where the provider publishes its keys; undefined: they are given. */
  readonly jwksUrl?: string
}

export interface JwtProblem {
  readonly field: keyof JwtSpec
  readonly message: string
}

export const jwtProblems = ({ algorithms, jwksUrl }: JwtSpec): readonly JwtProblem[] => {
  if (!algorithms.includes('HS256')) return []
  if (algorithms.length > 1) {
    const message = 'HS256 uses a shared secret and the others public keys: list algorithms of one kind'
    return [{ field: 'algorithms', message }]
  }
  return jwksUrl === undefined
    ? []
    : [
        {
          field: 'jwksUrl',
          message: 'HS256 uses a shared secret, which a URL cannot serve: give the secret instead',
        },
      ]
}
