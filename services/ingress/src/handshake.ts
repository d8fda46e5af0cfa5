import {
  answerAuthentic,
  answerOpen,
  handshakeKeysOf,
  hasAuthentic,
  isInRanges,
  type HandshakeReply,
  type SourceAccess,
} from '@weir/sources'
import type { FastifyRequest } from 'fastify'
import type { Exchange } from './exchange.ts'
import type { AccessVerdict, IntakeRequest } from './intake.ts'
import { parseStrictJson } from './strict-json.ts'

/** They are small, so that no large event is read twice. */
const BODY_BYTES_MAX = 4_096

/** The answer to a handshake without a signed body; undefined: the request is none, or comes from elsewhere. */
export const openHandshake = (
  { route, headers }: Exchange,
  request: FastifyRequest,
): HandshakeReply | undefined => {
  const { access } = route
  const { handshakes } = access.source
  if (handshakes.length === 0 || access.unavailable !== undefined) return undefined
  if (access.ranges !== undefined && !isInRanges(request.ip, access.ranges)) return undefined
  const { method, url } = request.raw
  const at = url!.indexOf('?')
  const query = new URLSearchParams(at < 0 ? '' : url!.slice(at + 1))
  return answerOpen(handshakes, { method: method!, query, headers }, handshakeKeysOf(access))
}

/** The answer to a handshake in an authentic body; undefined: it is none. */
export const handshakeIn = (
  access: SourceAccess,
  { headers, raw }: Pick<IntakeRequest, 'headers' | 'raw'>,
  verdict: AccessVerdict,
): HandshakeReply | undefined => {
  const { handshakes } = access.source
  if (raw.length > BODY_BYTES_MAX || !hasAuthentic(handshakes)) return undefined
  const parsed = parseStrictJson(raw)
  if (parsed.kind === 'problem') return undefined
  const secret = verdict.kind === 'valid' ? handshakeKeysOf(access).secrets[verdict.secret] : undefined
  return answerAuthentic(handshakes, { headers, payload: parsed.value, secret })
}
