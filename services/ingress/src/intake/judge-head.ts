import { isBearer } from '@weir/contracts'
import {
  hasQueryToken,
  isBasic,
  tokenProblem,
  type CertificateResult,
  type RequestHeaders,
  type RequestLine,
  type SourceAccess,
  type SourceDefinition,
  type SignatureResult,
} from '@weir/sources'

/** The result of a request's signature and token checks. */
export type AccessResult =
  | SignatureResult
  | { readonly kind: 'unsigned' }
  | { readonly kind: 'token' | 'query_token' }
  /** `good`: the token alone authenticates the request. */
  | { readonly kind: 'certificate'; readonly found: CertificateResult }

export type Refusal =
  | { readonly kind: 'refuse'; readonly status: number; readonly body: string; readonly result: AccessResult }
  /** The keys to check it are not available. */
  | { readonly kind: 'unavailable'; readonly cause: string }

export interface RequestHead {
  readonly headers: RequestHeaders
  readonly line: RequestLine
  /** Undefined if the source requires none. */
  readonly certificate: CertificateResult | undefined
  /** Epoch ms. */
  readonly receivedAt: number
}

const NO_BODY = Buffer.alloc(0)

/**
 * Refuses a request whose head alone shows that it is not authentic: the certificate or a token is wrong, or a header
 * is missing that every signed request has. Returns undefined if the body is needed. Pure, and never throws.
 */
export const judgeHead = (access: SourceAccess, head: RequestHead): Refusal | undefined => {
  if (access.unavailable !== undefined) return { kind: 'unavailable', cause: access.unavailable }
  const result = checkHead(access, head)
  return result && refusalOf(access.source, result)
}

const checkHead = (
  access: SourceAccess,
  { headers, line, certificate, receivedAt }: RequestHead,
): AccessResult | undefined => {
  const { source, verify, signedBy, token, basic, queryTokens, checkToken, checkCertificate } = access
  if (checkCertificate !== undefined && certificate !== 'good') {
    return { kind: 'certificate', found: certificate ?? 'missing' }
  }
  if (queryTokens !== undefined && !hasQueryToken(line.target, headers, queryTokens)) {
    return { kind: 'query_token' }
  }
  const problem = checkToken && tokenProblem(headers)
  if (problem !== undefined) return problem
  if (token !== undefined || basic !== undefined) {
    const given = headers.get('authorization')
    const isGood =
      (token !== undefined && isBearer(given, token)) || (basic !== undefined && isBasic(given, basic))
    if (!isGood) return { kind: 'token' }
  }
  // Shadow mode looks for the signature in other headers, for which it needs the body.
  if (verify === undefined || source.shadow) return undefined
  if (signedBy.every((name) => headers.get(name) !== undefined)) return undefined
  const result = verify(headers, NO_BODY, receivedAt, line)
  return result.kind === 'missing' && source.unsigned ? undefined : result
}

/** Undefined if the result lets the request pass. */
export const refusalOf = (source: SourceDefinition, result: AccessResult): Refusal | undefined => {
  switch (result.kind) {
    case 'valid':
    case 'unsigned':
      return undefined
    case 'missing':
    case 'token':
      return refuse(result, source.statusMissing, errorBody(source, source.answerMissing))
    case 'invalid':
    case 'query_token':
      return refuse(result, source.statusInvalid, errorBody(source, source.answerInvalid))
    case 'certificate':
      if (result.found === 'good') return undefined
      return refuse(result, 401, errorBody(source, source.answerInvalid))
  }
}

const refuse = (result: AccessResult, status: number, body: string): Refusal => ({
  kind: 'refuse',
  result,
  status,
  body,
})

/** The body of a refusal in the source's own form. */
export const errorBody = ({ answerField }: SourceDefinition, text: string): string =>
  answerField === undefined || text === '' ? '' : JSON.stringify({ [answerField]: text })
