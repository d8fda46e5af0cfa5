import { jwtProblems, type JwtSpec } from '../jwt/jwt-spec.ts'
import type { EntryProblem } from './entry-problem.ts'
import type { SourceEntry } from './schema.ts'

const TOLERANCE_SECS = 60

export const jwtOf = ({ jwt }: SourceEntry): { readonly jwt?: JwtSpec } => {
  if (jwt === undefined) return {}
  const { algorithms, issuer, audience, toleranceSecs = TOLERANCE_SECS, claims = {} } = jwt
  return {
    jwt: {
      algorithms,
      issuers: issuer,
      audiences: audience,
      toleranceSecs,
      claims,
      ...(jwt.bodyHashClaim !== undefined && { bodyHashClaim: jwt.bodyHashClaim }),
      ...(jwt.jwksUrl !== undefined && { jwksUrl: jwt.jwksUrl }),
    },
  }
}

export const jwtEntryProblems = (entry: SourceEntry): readonly EntryProblem[] => {
  const { jwt } = jwtOf(entry)
  return jwt === undefined
    ? []
    : jwtProblems(jwt).map(({ field, message }) => ({ path: ['jwt', field], message }))
}
