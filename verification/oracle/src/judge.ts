import { Book, nameOf, type Body, type Event, type Received } from './book.ts'
import { conclude, emptyCounts, type JudgeOptions, type OracleReport } from './conclude.ts'
import type { DeletedRows, StoredEvent, StoredState } from './evidence/database.ts'
import {
  NORMALIZED,
  RECEIVED,
  SEEN,
  STATS,
  UNIQUE,
  type DumpedCommit,
  type DumpedPartition,
  type DumpedRecord,
  type DumpLine,
} from './evidence/dump.ts'
import { Findings } from './findings.ts'
import type { InfluxSums } from './evidence/influx.ts'
import { RepeatedContent } from './repeated-content.ts'
import { SeenState } from './evidence/seen-state.ts'
import type { SentRequest } from './evidence/sent.ts'

type LaterStage = 'normalizer' | 'persistence'

const hexOf = (base64: string | undefined): string => Buffer.from(base64 ?? '', 'base64').toString('hex')
const textOf = (base64: string | undefined): string => Buffer.from(base64 ?? '', 'base64').toString()

/**
 * Takes what was sent, then a dump line by line, then the tables' rows, and says what is wrong. It believes nobody: not
 * the keys on the records, which it derives again from the bodies, nor the product's counts, which it compares with
 * its own.
 */
export class Judge {
  readonly #options: JudgeOptions
  readonly #findings = new Findings()
  readonly #book: Book
  readonly #seen: SeenState
  readonly #contents: RepeatedContent
  readonly #counted = emptyCounts()
  readonly #malformedByKey = new Map<string, Body>()
  /** Letters that a replay brought back to their stage, as `stage/partition/offset`. */
  readonly #returned = new Set<string>()

  readonly #takers = new Map<string, (record: DumpedRecord) => void>([
    [RECEIVED, (record) => this.#received(record)],
    [UNIQUE, (record) => this.#unique(record)],
    [NORMALIZED, (record) => this.#normalized(record)],
    [STATS, (record) => this.#claims(record)],
    [SEEN, (record) => this.#seen.take(record)],
    ['dedup.replay.v1', (record) => this.#broughtBack(record)],
    ['normalizer.replay.v1', (record) => this.#returns(record)],
    ['persistence.replay.v1', (record) => this.#returns(record)],
    ['dedup.dlq.v1', (record) => this.#dedupLetter(record)],
    ['normalizer.dlq.v1', (record) => this.#laterLetter('normalizer', record)],
    ['persistence.dlq.v1', (record) => this.#laterLetter('persistence', record)],
  ])

  constructor(sent: readonly SentRequest[], options: JudgeOptions) {
    this.#options = options
    this.#book = new Book(sent, (source) => options.unknownSources?.has(source) ?? false)
    this.#contents = new RepeatedContent(options.windowMs)
    this.#seen = new SeenState(options.topicPrefix, this.#contents)
    this.#counted.sent = sent.length
  }

  take(line: DumpLine): void {
    if (line.is === 'record') this.#record(line)
    else if (line.is === 'partition') this.#partition(line)
    else if (line.is === 'commit') this.#commit(line)
  }

  row(row: StoredEvent): void {
    const { source, key, sha256, interaction, sequence } = row
    const event = this.#book.events.get(key)
    const body = this.#book.bodies.get(`${source} ${sha256}`)
    if (event === undefined) {
      if (body !== undefined && body.records > 0)
        this.#add('extra', `the row ${key} of ${source} has a body that is another event's: ${nameOf(body)}`)
      else this.#stranger(`the row ${key} of ${source}`)
      return
    }
    this.#counted.rows += 1
    event.rows += 1
    if (body !== undefined) body.rows += 1
    if (!row.is_fixed && sha256 !== event.body.sha256)
      this.#add('wrong', `the row of ${nameOf(event)} has another body`)
    if (`${source}|${interaction}` !== event.entity.name)
      this.#add('wrong', `the row of ${nameOf(event)} is another interaction's`)
    if (event.sequence !== undefined && sequence !== String(event.sequence) && !row.is_fixed)
      this.#add('wrong', `the row of ${nameOf(event)} has the sequence ${sequence}`)
    const { entity } = event
    entity.isStored = true
    if (event.sequence !== undefined && event.sequence >= (entity.highest?.sequence ?? 0n))
      entity.highest = event
  }

  state({ source, interaction, key, sequence }: StoredState): void {
    const entity = this.#book.entities.get(`${source}|${interaction}`)
    if (entity === undefined) {
      this.#stranger(`the latest state of an interaction of ${source}`)
      return
    }
    entity.hasState = true
    const event = this.#book.events.get(key)
    if (event?.entity !== entity) {
      this.#add('wrong', `the latest state of an interaction of ${source} is not of one of its events`)
      return
    }
    const { highest } = entity
    if (
      highest !== undefined &&
      (event.sequence !== highest.sequence || sequence !== String(highest.sequence))
    )
      this.#add('wrong', `the latest state at ${nameOf(event)} is not that of ${nameOf(highest)}`)
  }

  deleted(rows: DeletedRows): void {
    this.#counted.deleted = rows
  }

  influx(sums: InfluxSums): void {
    this.#counted.influx = sums
  }

  conclude(): OracleReport {
    return conclude(this.#book, this.#seen, this.#contents, this.#counted, this.#findings, this.#options)
  }

  #add(...finding: Parameters<Findings['add']>): void {
    this.#findings.add(...finding)
  }

  /** Somebody else's, unless there is nobody else. */
  #stranger(what: string): void {
    if (this.#options.isAlone) this.#add('extra', `${what} was never received`)
    else this.#counted.foreign += 1
  }

  #partition({ topic, partition, start, stable, high }: DumpedPartition): void {
    if (stable !== high)
      this.#add('open', `a transaction on ${topic}/${partition} from ${stable}, its end is ${high}`)
    if (start > 0 && !topic.startsWith('__') && topic !== SEEN) this.#counted.truncated.add(topic)
  }

  #commit({ group, topic, partition, offset }: DumpedCommit): void {
    if (group === 'dedup' && topic === RECEIVED) this.#seen.committed(partition, offset)
  }

  #record(record: DumpedRecord): void {
    this.#counted.lastAt = Math.max(this.#counted.lastAt, record.timestamp)
    this.#takers.get(record.topic)?.(record)
  }

  #received(record: DumpedRecord): void {
    const { partition, offset, home, key } = record
    if (!this.#isMisplaced(record) && this.#isRepeatedContent(record, this.#counted.received)) return
    const body = this.#receive(record)
    const place = `${partition}/${offset} of ${RECEIVED}`
    if (body.key !== hexOf(record.headers['event-key']))
      this.#add('wrong', `${place} has another event key than its body says: ${nameOf(body)}`)
    if (body.event !== undefined && textOf(key) !== body.event.entity.name)
      this.#add('wrong', `${place} has another record key than its body says: ${nameOf(body)}`)
    if (body.isMalformed !== (record.headers['intake-error'] !== undefined))
      this.#add('wrong', `${place} is ${body.isMalformed ? 'taken for well formed' : 'called malformed'}`)
    if (this.#options.isAlone && home !== partition)
      this.#add('wrong', `${place} is not in the partition of its key`)
  }

  /** Counts a record as dedup must: new, a repeat, or the same key with another body. */
  #receive(record: DumpedRecord): Body {
    const { value, timestamp } = record
    const isMisplaced = this.#isMisplaced(record)
    const received = { ...receivedOf(record), isMisplaced }
    const { source } = received
    const body = this.#book.receive(received, Buffer.from(value ?? '', 'base64'))
    addTo(this.#counted.received, source)
    if (body.isMalformed) {
      this.#malformedByKey.set(body.key, body)
      addTo(this.#counted.malformed, source)
    }
    const before = body.misplaced + body.repeatedContent
    if ((isMisplaced ? body.misplaced : body.records - before) > 1) {
      addTo(this.#counted.repeats, source)
      if (body.isMalformed) addTo(this.#counted.malformedRepeats, source)
      if (timestamp - (body.event?.uniqueAt ?? timestamp) > this.#options.windowMs) this.#counted.late += 1
    } else if (!isMisplaced && body.event?.body === body) {
      // Until the topic of unique ones is read.
      body.event.uniqueAt = timestamp
    }
    return body
  }

  #isMisplaced({ home, partition }: DumpedRecord): boolean {
    return this.#options.isAlone && home !== partition
  }

  /** Notes signed content. Where it came before under another id, the record is counted: as a letter or its repeat. */
  #isRepeatedContent(
    { headers, sha256 = '', partition, timestamp }: DumpedRecord,
    counts: Map<string, number>,
  ): boolean {
    const contentKey = hexOf(headers['content-key'])
    if (contentKey === '') return false
    const source = textOf(headers.source)
    const repeat = this.#contents.receive({
      source,
      contentKey,
      key: hexOf(headers['event-key']),
      bodyHash: headers['body-hash'] ?? '',
      partition,
      timestamp,
    })
    if (repeat === undefined) return false
    addTo(counts, source)
    if (repeat.records > 1) addTo(this.#counted.repeats, source)
    const body = this.#book.body(source, sha256)
    body.records += 1
    body.repeatedContent += 1
    return true
  }

  /** A replay gave it its key: an approved conflict has one that its body does not say. */
  #broughtBack(record: DumpedRecord): void {
    if (this.#isRepeatedContent(record, this.#counted.returned)) return
    const received = receivedOf(record)
    addTo(this.#counted.returned, received.source)
    const event = this.#book.bringBack(received)
    if (event.body.records > 1 && event.body.sha256 === received.sha256)
      addTo(this.#counted.repeats, received.source)
  }

  #unique(record: DumpedRecord): void {
    const { headers, partition, sha256, timestamp } = record
    const event = this.#eventOf(record)
    if (event === undefined) return
    addTo(this.#counted.unique, textOf(headers.source))
    if (event.unique > 0) {
      if (timestamp - event.uniqueAt > this.#options.windowMs) this.#counted.passedAgain += 1
      else this.#add('extra', `${nameOf(event)} is on ${UNIQUE} again`)
    }
    if (sha256 !== event.body.sha256) this.#add('wrong', `${nameOf(event)} is on ${UNIQUE} with another body`)
    if (partition !== event.partition)
      this.#add('wrong', `${nameOf(event)} is in partition ${partition} of ${UNIQUE}, not in its own`)
    if (event.unique === 0) this.#inOrder(UNIQUE, event)
    event.unique += 1
    event.uniqueAt = timestamp
  }

  #normalized(record: DumpedRecord): void {
    const event = this.#eventOf(record)
    if (event === undefined) return
    this.#counted.normalized += 1
    if (event.normalized >= Math.max(1, event.unique) && !event.isReturned)
      this.#add('extra', `${nameOf(event)} is on ${NORMALIZED} again`)
    if (event.normalized === 0) this.#inOrder(NORMALIZED, event)
    event.normalized += 1
    event.normalizedAt = record.timestamp
  }

  /** Events of one interaction follow each other as they were received. */
  #inOrder(topic: string, event: Event): void {
    if (event.isReturned || event.offset === undefined) return
    const { last } = event.entity
    const before = last.get(topic)
    if (before?.partition === event.partition && before.offset! > event.offset)
      this.#add(
        'order',
        `on ${topic} ${nameOf(event)} comes after ${nameOf(before)}, which was received later`,
      )
    else last.set(topic, event)
  }

  #dedupLetter(record: DumpedRecord): void {
    const { headers, sha256 = '' } = record
    const source = textOf(headers.source)
    const key = hexOf(headers['event-key'])
    const reason = textOf(headers['dlq-reason'])
    const isConflict = reason === 'key_conflict'
    addTo(isConflict ? this.#counted.conflictLetters : this.#counted.otherLetters, source)
    this.#seen.addLetter(reason, key, headers['body-hash'])
    if (reason === 'content_repeated') {
      const repeat = this.#contents.repeatOf(key, headers['body-hash'] ?? '')
      if (repeat === undefined)
        this.#stranger(`a letter of repeated content with the key ${key} of ${source}`)
      else repeat.letters += 1
      return
    }
    if (reason === 'wrong_partition') {
      this.#misplacedLetter(source, sha256, key)
      return
    }
    const isSealed = headers['dlq-key-id'] !== undefined || headers['dlq-truncated'] !== undefined
    if (isSealed) this.#counted.sealed += 1
    const body = isSealed ? this.#malformedByKey.get(key) : this.#book.bodies.get(`${source} ${sha256}`)
    const event = body?.event ?? this.#book.events.get(key)
    if (body?.isMalformed === true && !isConflict) {
      body.letters += 1
      if (body.letters > 1) this.#add('extra', `another letter of ${nameOf(body)}`)
    } else if (event === undefined || (!isSealed && (body?.records ?? 0) === 0)) {
      this.#stranger(`a letter of dedup with the key ${key} of ${source}`)
    } else if (isConflict) {
      event.letters.conflicts += 1
      if (isSealed) event.letters.sealed += 1
      if (body === undefined) return
      body.letters += 1
      if (body.letters > 1 || body === event.body)
        this.#add('extra', `a letter too many of the other body of ${nameOf(event)}`)
    } else {
      event.letters.dedup += 1
    }
  }

  #misplacedLetter(source: string, sha256: string, key: string): void {
    const body = this.#book.bodies.get(`${source} ${sha256}`)
    if (body === undefined || body.misplaced === 0) {
      this.#stranger(`a letter of dedup for a wrong partition with the key ${key} of ${source}`)
      return
    }
    body.misplacedLetters += 1
    if (body.misplacedLetters > 1)
      this.#add('extra', `another letter of ${nameOf(body)} in a wrong partition`)
  }

  /** A letter that returned to its stage is no end. */
  #laterLetter(stage: LaterStage, record: DumpedRecord): void {
    const { partition, offset } = record
    const event = this.#eventOf(record)
    if (event === undefined || this.#returned.has(`${stage}/${partition}/${offset}`)) return
    this.#counted.downstream += 1
    event.letters[stage] += 1
  }

  #returns(record: DumpedRecord): void {
    this.#returned.add(textOf(record.headers['replay-of']))
    const event = this.#book.events.get(hexOf(record.headers['event-key']))
    if (event !== undefined) event.isReturned = true
  }

  #eventOf({ topic, headers }: DumpedRecord): Event | undefined {
    const key = hexOf(headers['event-key'])
    const event = this.#book.events.get(key)
    if (event === undefined) this.#stranger(`the event ${key} on ${topic}`)
    return event
  }

  /** What dedup says of itself. */
  #claims({ value, partition, offset }: DumpedRecord): void {
    const claim = JSON.parse(textOf(value)) as Record<string, unknown>
    const { source } = claim
    if (typeof source !== 'string') {
      this.#add('wrong', `${partition}/${offset} of ${STATS} names no source`)
      return
    }
    const sums = this.#counted.claimed.get(source) ?? {
      received: 0,
      returned: 0,
      unique: 0,
      duplicates: 0,
      conflicts: 0,
      deadLettered: 0,
    }
    for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += Number(claim[name] ?? 0)
    this.#counted.claimed.set(source, sums)
  }
}

const addTo = (counts: Map<string, number>, name: string): void =>
  void counts.set(name, (counts.get(name) ?? 0) + 1)

const receivedOf = ({ headers, sha256 = '', partition, offset }: DumpedRecord): Received => ({
  source: textOf(headers.source),
  sha256,
  key: hexOf(headers['event-key']),
  partition,
  offset,
  stated: {
    interaction: textOf(headers['interaction-id']),
    type: textOf(headers['event-type']),
    ...(/^\d{1,19}$/.test(textOf(headers['provider-sequence'])) && {
      sequence: BigInt(textOf(headers['provider-sequence'])),
    }),
  },
  isMalformed: headers['intake-error'] !== undefined,
  isMisplaced: false,
})
