import { isInRanges } from '@weir/contracts'
import {
  answerAuthentic,
  answerOpen,
  hasAuthentic,
  type HandshakeReply,
  type JsonValue,
  type RequestHeaders,
  type SourceAccess,
  type SourceDefinition,
} from '@weir/sources'
import type { FastifyRequest } from 'fastify'
import { parseStrictJson, type Parsed } from './strict-json.ts'

/** Handshakes are small, so a larger body is an event. */
const BODY_BYTES_MAX = 4_096

/**
 * The response to a handshake without a signed body. Undefined if the request is not a handshake or its address is not
 * allowed.
 */
export const openHandshake = (
  access: SourceAccess,
  headers: RequestHeaders,
  request: FastifyRequest,
  peer: () => string,
): HandshakeReply | undefined => {
  const { source, handshakeKeys } = access
  if (handshakeKeys === undefined || access.unavailable !== undefined) return undefined
  if (access.ranges !== undefined && !isInRanges(peer(), access.ranges)) return undefined
  const { method, url } = request.raw
  const at = url!.indexOf('?')
  const query = new URLSearchParams(at < 0 ? '' : url!.slice(at + 1))
  return answerOpen(source.handshakes, { method: method!, query, headers }, handshakeKeys)
}

/**
 * The parsed JSON of an authentic body that may be a handshake. Undefined if it cannot be one, in which case it was not
 * parsed.
 */
export const parseForHandshake = ({ handshakes }: SourceDefinition, bytes: Buffer): Parsed | undefined =>
  bytes.length <= BODY_BYTES_MAX && hasAuthentic(handshakes) ? parseStrictJson(bytes) : undefined

/**
 * The response to a handshake in an authentic body. Undefined if the body is not a handshake. `secretIndex`: of the
 * secret that signed it.
 */
export const handshakeIn = (
  { source, handshakeKeys }: SourceAccess,
  headers: RequestHeaders,
  payload: JsonValue,
  secretIndex: number | undefined,
): HandshakeReply | undefined => {
  const secret = secretIndex === undefined ? undefined : handshakeKeys?.secrets[secretIndex]
  return answerAuthentic(source.handshakes, { headers, payload, secret })
}
