export const JWT_ALGORITHMS = ['RS256', 'ES256', 'HS256'] as const
export type JwtAlgorithm = (typeof JWT_ALGORITHMS)[number]

/** Which bearer tokens (JWT) authenticate a request. */
export interface JwtSpec {
  /** The token must name one of these algorithms. */
  readonly algorithms: readonly JwtAlgorithm[]
  readonly issuers: readonly string[]
  /** The token must have one of these audiences. */
  readonly audiences: readonly string[]
  /** The accepted clock difference for `exp` and `nbf`. */
  readonly toleranceSecs: number
  /** Claims that a token must have, each with one of the listed values. */
  readonly claims: Readonly<Record<string, readonly string[]>>
  /** The claim that holds the SHA-256 of the body as hex, base64 or base64url. */
  readonly bodyHashClaim?: string
  /** The URL of the provider's published keys. Undefined if the keys are configured. */
  readonly jwksUrl?: string
}

export interface JwtProblem {
  readonly field: keyof JwtSpec
  readonly message: string
}

export const jwtProblems = ({ algorithms, jwksUrl }: JwtSpec): readonly JwtProblem[] => {
  if (!algorithms.includes('HS256')) return []
  if (algorithms.length > 1) {
    const message =
      'HS256 uses a shared secret and the other algorithms use public keys: list algorithms of one kind'
    return [{ field: 'algorithms', message }]
  }
  return jwksUrl === undefined
    ? []
    : [
        {
          field: 'jwksUrl',
          message:
            'HS256 uses a shared secret, which must not be published at a URL: give the secret instead',
        },
      ]
}
