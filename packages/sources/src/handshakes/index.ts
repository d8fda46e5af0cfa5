import { eventGrid, slack, zoom } from './authentic.ts'
import type {
  AuthenticRequest,
  Handshake,
  HandshakeResponse,
  HandshakeKeys,
  HandshakeName,
  OpenRequest,
} from './handshake.ts'
import { cloudevents, meta, microsoftGraph, twitterCrc } from './open.ts'

const TABLE: Readonly<Record<HandshakeName, Handshake>> = {
  cloudevents,
  meta,
  zoom,
  slack,
  'event-grid': eventGrid,
  'twitter-crc': twitterCrc,
  'microsoft-graph': microsoftGraph,
}

export type HandshakeReply = HandshakeResponse & { readonly handshake: HandshakeName }

/** The response to an unsigned handshake. Undefined if the request is not a handshake. */
export const answerOpen = (
  names: readonly HandshakeName[],
  request: OpenRequest,
  keys: HandshakeKeys,
): HandshakeReply | undefined => firstOf(names, ({ open }) => open?.(request, keys))

/** The response to a handshake in an authentic body. Undefined if the body is not a handshake. */
export const answerAuthentic = (
  names: readonly HandshakeName[],
  request: AuthenticRequest,
): HandshakeReply | undefined => firstOf(names, ({ authentic }) => authentic?.(request))

export const hasAuthentic = (names: readonly HandshakeName[]): boolean =>
  names.some((name) => TABLE[name].authentic !== undefined)

const firstOf = (
  names: readonly HandshakeName[],
  ask: (handshake: Handshake) => HandshakeResponse | undefined,
): HandshakeReply | undefined => {
  for (const handshake of names) {
    const answer = ask(TABLE[handshake])
    if (answer !== undefined) return { ...answer, handshake }
  }
  return undefined
}
