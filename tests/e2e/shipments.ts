import { createHash } from 'node:crypto'
import { eventKeyOf } from '@weir/contracts'
import type { Shipment } from '@weir/simulator'
import { sign, SOURCES, type JsonObject, type SourceDefinition } from '@weir/sources'
import type { Operation } from '@weir/truth'
import { SECRET } from './pipeline.ts'

const hashOf = (raw: Buffer): string => createHash('sha256').update(raw).digest('hex')

/** Headers by which a source's requests are known as its own. */
const signed = ({ verifier }: SourceDefinition, raw: Buffer): Record<string, string> =>
  verifier.kind === 'hmac' ? { [verifier.header]: sign(verifier, SECRET, raw) } : {}

export const shipment = (
  { name, paths }: SourceDefinition,
  described: Pick<Operation, 'kind' | 'eventKey'>,
  raw: Buffer,
  headers: Readonly<Record<string, string>>,
): Shipment => ({
  operation: { source: name, rawHash: hashOf(raw), ...described },
  path: paths[0]!,
  raw,
  headers: { 'content-type': 'application/json', ...headers },
})

/** Signed by whom it should be, and not what the source sends. */
export const malformed = (source: SourceDefinition, raw: Buffer): Shipment =>
  shipment(source, { kind: 'malformed' }, raw, signed(source, raw))

/** A good event of a built-in source. */
export const event = (name: string, body: JsonObject): Shipment => {
  const source = sourceOf(name)
  const raw = Buffer.from(JSON.stringify(body))
  const identified = source.identify(body, { bodyHash: () => hashOf(raw), header: () => undefined })
  if (identified.kind === 'problem') throw new TypeError(identified.problem.detail)
  const eventKey = eventKeyOf(name, identified.identity.dedupKey).toString('hex')
  return shipment(source, { kind: 'event', eventKey }, raw, signed(source, raw))
}

export const sourceOf = (name: string): SourceDefinition => SOURCES.find((one) => one.name === name)!
