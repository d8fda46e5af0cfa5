import { identify, type Identity } from './event-key.ts'
import type { SentKind, SentRequest } from './evidence/sent.ts'

/** One body of one source, as sent, and what was found of it. */
export interface Body {
  readonly source: string
  /** Hex. */
  readonly sha256: string
  /** undefined: the simulator's list does not have it. */
  kind: SentKind | undefined
  acked: number
  /** Requests of which nobody knows whether they were taken. */
  unknown: number
  /** Records on the topic of received webhooks, or brought back by a replay. */
  records: number
  /** Of those, some that lie in a partition that is not their key's: each body becomes one letter there. */
  misplaced: number
  misplacedLetters: number
  /** Of those, some that repeat signed content under another id: see `RepeatedContent`. */
  repeatedContent: number
  /** Hex; of its first record. */
  key: string
  event: Event | undefined
  isMalformed: boolean
  letters: number
  rows: number
}

/** An interaction of a source. */
export interface Entity {
  /** `source|interaction`. */
  readonly name: string
  /** Where its last event on a topic was received. */
  readonly last: Map<string, Event>
  /** The row whose state must be the latest: that of the highest sequence. */
  highest: Event | undefined
  isStored: boolean
  hasState: boolean
}

/** A thing that has happened at a provider, known by what its bodies say. */
export interface Event {
  /** Hex. */
  readonly key: string
  readonly entity: Entity
  readonly type: string
  readonly sequence: bigint | undefined
  /** The first body that was received under the key: the one that counts. */
  readonly body: Body
  /** Where that was received. A replay brought it when it has no offset. */
  readonly partition: number
  readonly offset: number | undefined
  /** It went back to a stage, so it may be overtaken. */
  isReturned: boolean
  unique: number
  uniqueAt: number
  normalized: number
  normalizedAt: number
  rows: number
  isSeen: boolean
  /** By stage; of those further on only letters at which it ends. */
  readonly letters: {
    dedup: number
    conflicts: number
    sealed: number
    normalizer: number
    persistence: number
  }
}

export interface Received {
  readonly source: string
  readonly sha256: string
  /** Hex; what the record's own header says. */
  readonly key: string
  /** What the record's own headers say, for sources that this package does not know. */
  readonly stated: Said
  readonly isMalformed: boolean
  readonly isMisplaced: boolean
  readonly partition: number
  readonly offset: number
}

interface Said {
  readonly interaction: string
  readonly type: string
  readonly sequence?: bigint
}

/** All that was sent and received, by body and by event. */
export class Book {
  readonly bodies = new Map<string, Body>()
  readonly events = new Map<string, Event>()
  readonly entities = new Map<string, Entity>()
  /** Sources whose identities are taken from the records themselves. */
  readonly unknownSources = new Set<string>()
  readonly #hasUnknownRules: (source: string) => boolean

  constructor(sent: Iterable<SentRequest>, hasUnknownRules: (source: string) => boolean) {
    this.#hasUnknownRules = hasUnknownRules
    for (const { source, kind, sha256, result } of sent) {
      const body = this.body(source, sha256)
      body.kind = kind
      if (result === 'acked') body.acked += 1
      if (result === 'unknown') body.unknown += 1
    }
  }

  body(source: string, sha256: string): Body {
    const id = `${source} ${sha256}`
    let body = this.bodies.get(id)
    if (body === undefined) {
      body = newBody(source, sha256)
      this.bodies.set(id, body)
    }
    return body
  }

  entity(name: string): Entity {
    let entity = this.entities.get(name)
    if (entity === undefined) {
      entity = { name, last: new Map(), highest: undefined, isStored: false, hasState: false }
      this.entities.set(name, entity)
    }
    return entity
  }

  /** Notes a record. Its body is read when it comes first. */
  receive(record: Received, value: Buffer): Body {
    const body = this.body(record.source, record.sha256)
    body.records += 1
    if (record.isMisplaced) body.misplaced += 1
    if (body.event !== undefined || (body.records > 1 && body.isMalformed)) return body
    const said = this.#read(body, record, value)
    if (!body.isMalformed && !record.isMisplaced)
      body.event = this.events.get(body.key) ?? this.#newEvent(body, record, record.offset, said)
    return body
  }

  #read(body: Body, record: Received, value: Buffer): Said {
    const identity: Identity = this.#hasUnknownRules(record.source)
      ? { kind: 'unknown' }
      : identify(record.source, value, record.sha256)
    if (identity.kind === 'unknown') this.unknownSources.add(record.source)
    // Of what others send Weir may refuse more than a contract says; of what was sent on purpose the list knows.
    body.isMalformed =
      identity.kind === 'malformed' ||
      (body.kind === undefined ? record.isMalformed : body.kind === 'malformed')
    body.key = identity.kind === 'event' && !body.isMalformed ? identity.key : record.key
    return identity.kind === 'event' ? identity : record.stated
  }

  /** Notes a record that a replay made of a letter of dedup. Its key is believed. */
  bringBack(record: Received): Event {
    const { source, sha256, key } = record
    const event = this.events.get(key)
    if (event !== undefined) {
      if (event.body.sha256 === sha256) event.body.records += 1
      return event
    }
    const body = { ...newBody(source, sha256), key, records: 1 }
    return this.#newEvent(body, record, undefined, record.stated)
  }

  #newEvent(body: Body, { source, partition }: Received, offset: number | undefined, said: Said): Event {
    const event: Event = {
      key: body.key,
      entity: this.entity(`${source}|${said.interaction}`),
      body,
      partition,
      offset,
      type: said.type,
      sequence: said.sequence,
      isReturned: offset === undefined,
      unique: 0,
      uniqueAt: 0,
      normalized: 0,
      normalizedAt: 0,
      rows: 0,
      isSeen: false,
      letters: { dedup: 0, conflicts: 0, sealed: 0, normalizer: 0, persistence: 0 },
    }
    this.events.set(body.key, event)
    return event
  }
}

const newBody = (source: string, sha256: string): Body => ({
  source,
  sha256,
  kind: undefined,
  acked: 0,
  unknown: 0,
  records: 0,
  misplaced: 0,
  misplacedLetters: 0,
  repeatedContent: 0,
  key: '',
  event: undefined,
  isMalformed: false,
  letters: 0,
  rows: 0,
})

/** For a finding: names, never bodies. */
export const nameOf = (one: Event | Body): string =>
  'entity' in one
    ? `event ${one.key} of ${one.body.source}`
    : `the body ${one.sha256.slice(0, 16)} of ${one.source}`
