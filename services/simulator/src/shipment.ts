import { createHash, randomBytes } from 'node:crypto'
import { eventKeyOf } from '@weir/contracts'
import { signedHeaders, SOURCES, type BuiltInSource, type JsonObject, type SourceName } from '@weir/sources'
import type { Operation } from '@weir/truth'
import type { SimulatorConfig } from './config.ts'

/** A request that can be sent any number of times. */
export interface Shipment {
  readonly operation: Operation
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly raw: Buffer
}

const definitions = new Map(SOURCES.map((source) => [source.name, source]))

const secretOf = (config: SimulatorConfig, source: SourceName): string =>
  ({
    cxone: config.cxoneSecret,
    'cxone-dataaction': config.dataActionSecret,
    nice: config.niceSecret,
    cognigy: [''],
  })[source][0] ?? ''

const pack = (
  config: SimulatorConfig,
  source: BuiltInSource,
  raw: Buffer,
  described: Pick<Operation, 'kind' | 'eventKey'>,
): Shipment => {
  const { verifier, name, paths } = source
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (verifier.kind === 'hmac') {
    const secret = described.kind === 'forged' ? randomBytes(16).toString('hex') : secretOf(config, name)
    Object.assign(headers, signedHeaders(verifier, secret, raw))
  } else if (verifier.kind === 'address' && config.cognigyToken !== undefined) {
    headers[verifier.tokenHeader] = `Bearer ${config.cognigyToken}`
  }
  const rawHash = hashOf(raw)
  return {
    operation: { source: name, rawHash, ...described },
    path: paths[raw[raw.length - 2]! % paths.length]!,
    headers,
    raw,
  }
}

const hashOf = (raw: Buffer): string => createHash('sha256').update(raw).digest('hex')

/** A valid request. */
export const packEvent = (config: SimulatorConfig, name: SourceName, body: JsonObject): Shipment => {
  const source = definitions.get(name)!
  const raw = Buffer.from(JSON.stringify(body))
  const result = source.identify(body, { bodyHash: () => hashOf(raw), header: () => undefined })
  if (result.kind === 'problem')
    throw new TypeError(`${name} does not accept the payload: ${result.problem.detail}`)
  const eventKey = eventKeyOf(name, result.identity.dedupKey).toString('hex')
  return pack(config, source, raw, { kind: 'event', eventKey })
}

/** A request with a valid signature over a truncated body. */
export const packMalformed = (config: SimulatorConfig, name: SourceName, id: string): Shipment =>
  pack(config, definitions.get(name)!, Buffer.from(`{"broken":"${id}"`), { kind: 'malformed' })

/** A request signed with a wrong secret. Only for sources that sign. */
export const packForged = (config: SimulatorConfig, name: SourceName, id: string): Shipment =>
  pack(
    config,
    definitions.get(name)!,
    Buffer.from(`{"interactionId":"${id}","eventType":"x","sequenceNumber":1}`),
    { kind: 'forged' },
  )
