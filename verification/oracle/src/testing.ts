import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { StoredEvent, StoredState } from './evidence/database.ts'
import type { DumpedRecord, DumpLine } from './evidence/dump.ts'
import { identify, type Identity } from './event-key.ts'
import type { SentRequest } from './evidence/sent.ts'

/** What a judge is given, for tests to doctor. */
export interface World {
  sent: SentRequest[]
  lines: DumpLine[]
  rows: StoredEvent[]
  states: StoredState[]
}

export const sha256 = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('hex')
const base64 = (text: string): string => Buffer.from(text).toString('base64')

export const NOW = 1_800_000_000_000

/** A call's step. */
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

/** The headers that ingress writes for an identity. */
const statedBy = ({ interaction, type, sequence }: Extract<Identity, { kind: 'event' }>) => ({
  'interaction-id': base64(interaction),
  'event-type': base64(type),
  ...(sequence !== undefined && { 'provider-sequence': base64(String(sequence)) }),
})

/** What a Weir without a fault has made of requests of `cxone`, in one partition. */
export const worldOf = (requests: readonly Sent[]): World => {
  const world: World = { sent: [], lines: [], rows: [], states: [] }
  const topics = new Map<string, DumpedRecord[]>()
  const stats = { source: 'cxone', received: 0, unique: 0, duplicates: 0, conflicts: 0, deadLettered: 0 }
  const winners = new Map<string, string>()
  const letters = new Set<string>()
  const chunk: Buffer[] = []
  const add = (topic: string, key: string, body: string | Buffer, headers: Record<string, string>): void => {
    const records = topics.get(topic) ?? []
    topics.set(topic, records)
    const value = Buffer.from(body)
    records.push({
      ...({ is: 'record', topic, partition: 0, offset: records.length, timestamp: NOW, home: 0 } as const),
      key: base64(key),
      sha256: sha256(value),
      size: value.length,
      value: value.toString('base64'),
      headers,
    })
  }
  const hold = (key: string): void => void chunk.push(Buffer.from(key, 'hex'), Buffer.alloc(8, 1))
  for (const { body, kind = 'event', result = 'acked' } of requests) {
    const hash = sha256(body)
    world.sent.push({ source: 'cxone', kind, sha256: hash, result })
    if (result !== 'acked') continue
    stats.received += 1
    const identity = identify('cxone', Buffer.from(body), hash)
    const key = identity.kind === 'event' ? identity.key : hash.slice(32)
    const headers = {
      source: base64('cxone'),
      'event-key': Buffer.from(key, 'hex').toString('base64'),
      'body-hash': Buffer.alloc(8, 1).toString('base64'),
      ...(identity.kind === 'event' ? statedBy(identity) : { 'intake-error': base64('invalid_json') }),
    }
    const entity = identity.kind === 'event' ? `cxone|${identity.interaction}` : 'cxone|malformed'
    add('webhooks.received.v1', entity, body, headers)
    const winner = winners.get(key)
    if (winner === body || letters.has(hash)) {
      stats.duplicates += 1
    } else if (identity.kind !== 'event' || winner !== undefined) {
      letters.add(hash)
      const reason = winner === undefined ? 'invalid_json' : 'key_conflict'
      stats[winner === undefined ? 'deadLettered' : 'conflicts'] += 1
      add('dedup.dlq.v1', entity, body, { ...headers, 'dlq-reason': base64(reason) })
      const conflictKey = sha256(
        Buffer.concat([Buffer.from('conflict\0'), Buffer.from(key, 'hex'), Buffer.alloc(8, 1)]),
      )
      hold(winner === undefined ? key : conflictKey.slice(0, 32))
    } else {
      winners.set(key, body)
      stats.unique += 1
      hold(key)
      add('webhooks.unique.v1', entity, body, headers)
      add('interactions.normalized.v1', entity, `avro ${body}`, headers)
      const { interaction, type } = identity
      const sequence = identity.sequence === undefined ? null : String(identity.sequence)
      world.rows.push({ key, source: 'cxone', interaction, type, sequence, sha256: hash, is_fixed: false })
      const state = { key, source: 'cxone', interaction, sequence }
      const before = world.states.findIndex((one) => one.interaction === interaction)
      if (before < 0) world.states.push(state)
      else if (BigInt(world.states[before]!.sequence ?? 0) < (identity.sequence ?? 0n))
        world.states[before] = state
    }
  }
  add('dedup.stats.v1', 'cxone|0', JSON.stringify(stats), {})
  const entries = Buffer.concat(chunk)
  const head = Buffer.alloc(5, 2)
  head.writeUInt32LE(crc32(entries, crc32(Buffer.from('chunk|0|1|a'))), 1)
  add('dedup.seen.v1', 'chunk|0|1|a', Buffer.concat([head, entries]), {})
  add('dedup.seen.v1', 'position', '{"format":1,"next":{"webhooks.received.v1":"9"}}', {})
  world.lines.push(
    { is: 'partition', topic: 'webhooks.unique.v1', partition: 0, start: 0, stable: 7, high: 7 },
    { is: 'commit', group: 'dedup', topic: 'webhooks.received.v1', partition: 0, offset: 9 },
  )
  const order = ['webhooks.received.v1', 'dedup.dlq.v1', 'webhooks.unique.v1', 'interactions.normalized.v1']
  for (const topic of [...order, 'dedup.stats.v1', 'dedup.seen.v1'])
    world.lines.push(...(topics.get(topic) ?? []))
  return world
}
