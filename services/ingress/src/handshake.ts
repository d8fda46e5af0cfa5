import {
  answerAuthentic,
  answerOpen,
  bodyFormOf,
  handshakeKeysOf,
  hasAuthentic,
  isInRanges,
  type HandshakeReply,
  type RequestHeaders,
  type SourceAccess,
} from '@weir/sources'
import type { FastifyRequest } from 'fastify'
import { holdBody } from './judge-body.ts'
import { parseStrictJson } from './strict-json.ts'

/** They are small, so that no large event is read twice. */
const BODY_BYTES_MAX = 4_096

/** The answer to a handshake without a signed body; undefined: the request is none, or comes from elsewhere. */
export const openHandshake = (
  access: SourceAccess,
  headers: RequestHeaders,
  request: FastifyRequest,
  peer: () => string,
): HandshakeReply | undefined => {
  const { handshakes } = access.source
  if (handshakes.length === 0 || access.unavailable !== undefined) return undefined
  if (access.ranges !== undefined && !isInRanges(peer(), access.ranges)) return undefined
  const { method, url } = request.raw
  const at = url!.indexOf('?')
  const query = new URLSearchParams(at < 0 ? '' : url!.slice(at + 1))
  return answerOpen(handshakes, { method: method!, query, headers }, handshakeKeysOf(access))
}

/** The answer to a handshake in an authentic body; undefined: it is none. `secretIndex`: of the secret that it was signed with. */
export const handshakeIn = (
  access: SourceAccess,
  headers: RequestHeaders,
  raw: Buffer,
  secretIndex: number | undefined,
): HandshakeReply | undefined => {
  const { handshakes } = access.source
  if (raw.length > BODY_BYTES_MAX || !hasAuthentic(handshakes)) return undefined
  const body = holdBody(access.source, { raw, bodyForm: bodyFormOf(access.source, headers) }, BODY_BYTES_MAX)
  if (body === 'too_large' || body.problem !== undefined) return undefined
  const parsed = parseStrictJson(body.bytes)
  if (parsed.kind === 'problem') return undefined
  const secret = secretIndex === undefined ? undefined : handshakeKeysOf(access).secrets[secretIndex]
  return answerAuthentic(handshakes, { headers, payload: parsed.value, secret })
}
