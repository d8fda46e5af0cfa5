import { createHash, randomBytes } from 'node:crypto'
import { eventKeyOf } from '@weir/contracts'
import { sign, SOURCES, type JsonObject, type SourceName } from '@weir/sources'
import type { Operation } from '@weir/truth'
import { SECRETS } from '../rig/layout.ts'

/** One request, ready to be sent any number of times. */
export interface Shipment {
  readonly operation: Operation
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly raw: Buffer
}

const definitions = new Map(SOURCES.map((source) => [source.name, source]))
const SECRET_OF: Readonly<Record<SourceName, string>> = {
  cxone: SECRETS.cxone,
  'cxone-dataaction': SECRETS.dataAction,
  nice: SECRETS.nice,
  cognigy: '',
}

const hashOf = (raw: Buffer): string => createHash('sha256').update(raw).digest('hex')

const pack = (
  name: SourceName,
  raw: Buffer,
  described: Omit<Operation, 'source' | 'rawHash'>,
  rawHash = hashOf(raw),
) => {
  const { verifier, paths } = definitions.get(name)!
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (verifier.kind === 'hmac') {
    const secret = described.kind === 'forged' ? randomBytes(16).toString('hex') : SECRET_OF[name]
    headers[verifier.header] = sign(verifier, secret, raw)
  }
  const operation: Operation = { source: name, rawHash, ...described }
  return { operation, path: paths[0]!, headers, raw } satisfies Shipment
}

/** A good request. */
export const packEvent = (name: SourceName, body: JsonObject): Shipment => {
  const raw = Buffer.from(JSON.stringify(body))
  const rawHash = hashOf(raw)
  const result = definitions.get(name)!.identify(body, { bodyHash: () => rawHash, header: () => undefined })
  if (result.kind === 'problem')
    throw new TypeError(`${name} does not take this payload: ${result.problem.detail}`)
  const eventKey = eventKeyOf(name, result.identity.dedupKey).toString('hex')
  return pack(name, raw, { kind: 'event', eventKey }, rawHash)
}

/** Signed, but cut short. */
export const packMalformed = (name: SourceName, id: string): Shipment =>
  pack(name, Buffer.from(`{"broken":"${id}"`), { kind: 'malformed' })

/** Signed with a secret that ingress does not know. Only for sources that sign. */
export const packForged = (name: Exclude<SourceName, 'cognigy'>, id: string): Shipment =>
  pack(name, Buffer.from(`{"interactionId":"${id}","eventType":"x","sequenceNumber":1}`), { kind: 'forged' })
