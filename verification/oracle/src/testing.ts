import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { StoredEvent, StoredState } from './evidence/database.ts'
import type { DumpedRecord, DumpLine } from './evidence/dump.ts'
import { identify, type Identity } from './event-key.ts'
import type { SentRequest } from './evidence/sent.ts'

/** The evidence that a judge reads. Tests change it to plant faults. */
export interface World {
  sent: SentRequest[]
  lines: DumpLine[]
  rows: StoredEvent[]
  states: StoredState[]
}

export const sha256 = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('hex')
const base64 = (text: string): string => Buffer.from(text).toString('base64')

export const NOW = 1_800_000_000_000

/** The body of one event of a call. */
export const step = (id: string, sequence: number, agent = 'a'): string =>
  JSON.stringify({
    interactionId: id,
    eventType: 'CALL_TRANSFERRED',
    sequenceNumber: sequence,
    agentId: agent,
  })

export const MALFORMED = '{"broken":"1"'

export interface Sent {
  readonly body: string
  readonly kind?: SentRequest['kind']
  readonly result?: SentRequest['result']
}

type EventIdentity = Extract<Identity, { kind: 'event' }>

/** The headers that ingress writes for an identity. */
const statedBy = ({ interaction, type, sequence }: EventIdentity) => ({
  'interaction-id': base64(interaction),
  'event-type': base64(type),
  ...(sequence !== undefined && { 'provider-sequence': base64(String(sequence)) }),
})

const conflictKeyOf = (key: string): string =>
  sha256(Buffer.concat([Buffer.from('conflict\0'), Buffer.from(key, 'hex'), Buffer.alloc(8, 1)])).slice(0, 32)

const TOPICS = [
  'webhooks.received.v1',
  'dedup.dlq.v1',
  'webhooks.unique.v1',
  'interactions.normalized.v1',
  'dedup.stats.v1',
  'dedup.seen.v1',
] as const
type Topic = (typeof TOPICS)[number]

/** A deployment without faults that has one partition and one source, `cxone`. */
class FlawlessDeployment {
  readonly #world: World = { sent: [], lines: [], rows: [], states: [] }
  readonly #records: Record<Topic, DumpedRecord[]> = {
    'webhooks.received.v1': [],
    'dedup.dlq.v1': [],
    'webhooks.unique.v1': [],
    'interactions.normalized.v1': [],
    'dedup.stats.v1': [],
    'dedup.seen.v1': [],
  }
  readonly #stats = { source: 'cxone', received: 0, unique: 0, duplicates: 0, conflicts: 0, deadLettered: 0 }
  /** By event key, the body that came first. */
  readonly #firstBodies = new Map<string, string>()
  /** Hashes of the bodies that have a dead letter. */
  readonly #letters = new Set<string>()
  readonly #seenKeys: Buffer[] = []

  handle({ body, kind = 'event', result = 'acked' }: Sent): void {
    const hash = sha256(body)
    this.#world.sent.push({ source: 'cxone', kind, sha256: hash, result })
    if (result !== 'acked') return
    this.#stats.received += 1
    const identity = identify('cxone', Buffer.from(body), hash)
    const key = identity.kind === 'event' ? identity.key : hash.slice(32)
    const headers = {
      source: base64('cxone'),
      'event-key': Buffer.from(key, 'hex').toString('base64'),
      'body-hash': Buffer.alloc(8, 1).toString('base64'),
      ...(identity.kind === 'event' ? statedBy(identity) : { 'intake-error': base64('invalid_json') }),
    }
    const entity = identity.kind === 'event' ? `cxone|${identity.interaction}` : 'cxone|malformed'
    this.#add('webhooks.received.v1', entity, body, headers)
    const first = this.#firstBodies.get(key)
    if (first === body || this.#letters.has(hash)) {
      this.#stats.duplicates += 1
    } else if (identity.kind !== 'event' || first !== undefined) {
      this.#letters.add(hash)
      const reason = first === undefined ? 'invalid_json' : 'key_conflict'
      this.#stats[first === undefined ? 'deadLettered' : 'conflicts'] += 1
      this.#add('dedup.dlq.v1', entity, body, { ...headers, 'dlq-reason': base64(reason) })
      this.#remember(first === undefined ? key : conflictKeyOf(key))
    } else {
      this.#firstBodies.set(key, body)
      this.#stats.unique += 1
      this.#remember(key)
      this.#add('webhooks.unique.v1', entity, body, headers)
      this.#add('interactions.normalized.v1', entity, `avro ${body}`, headers)
      this.#store(identity, hash)
    }
  }

  /** What is left when the deployment is at rest. */
  finish(): World {
    this.#add('dedup.stats.v1', 'cxone|0', JSON.stringify(this.#stats), {})
    const entries = Buffer.concat(this.#seenKeys)
    const head = Buffer.alloc(5, 2)
    head.writeUInt32LE(crc32(entries, crc32(Buffer.from('chunk|0|1|a'))), 1)
    this.#add('dedup.seen.v1', 'chunk|0|1|a', Buffer.concat([head, entries]), {})
    this.#add('dedup.seen.v1', 'position', '{"format":1,"next":{"webhooks.received.v1":"9"}}', {})
    this.#world.lines.push(
      { is: 'partition', topic: 'webhooks.unique.v1', partition: 0, start: 0, stable: 7, high: 7 },
      { is: 'commit', group: 'dedup', topic: 'webhooks.received.v1', partition: 0, offset: 9 },
      ...TOPICS.flatMap((topic) => this.#records[topic]),
    )
    return this.#world
  }

  #add(topic: Topic, key: string, body: string | Buffer, headers: Record<string, string>): void {
    const value = Buffer.from(body)
    this.#records[topic].push({
      is: 'record',
      topic,
      partition: 0,
      offset: this.#records[topic].length,
      timestamp: NOW,
      home: 0,
      key: base64(key),
      sha256: sha256(value),
      size: value.length,
      value: value.toString('base64'),
      headers,
    })
  }

  #remember(key: string): void {
    this.#seenKeys.push(Buffer.from(key, 'hex'), Buffer.alloc(8, 1))
  }

  #store({ key, interaction, type, sequence }: EventIdentity, hash: string): void {
    const { rows, states } = this.#world
    const text = sequence === undefined ? null : String(sequence)
    rows.push({ key, source: 'cxone', interaction, type, sequence: text, sha256: hash, is_fixed: false })
    const state = { key, source: 'cxone', interaction, sequence: text }
    const before = states.findIndex((one) => one.interaction === interaction)
    if (before < 0) states.push(state)
    else if (BigInt(states[before]!.sequence ?? 0) < (sequence ?? 0n)) states[before] = state
  }
}

/** What a deployment without faults makes of these requests. */
export const worldOf = (requests: readonly Sent[]): World => {
  const deployment = new FlawlessDeployment()
  for (const request of requests) deployment.handle(request)
  return deployment.finish()
}
