import { HEADER, type DeadLetterStage, type DeadLetterStatus } from '@weir/contracts'
import type { InputRecord } from '@weir/kafka'
import type { LetterFilter } from '../jobs/job.ts'

/** A dead letter with its decoded headers. The body stays in `record`. */
export interface Letter {
  readonly stage: DeadLetterStage
  readonly partition: number
  readonly offset: bigint
  readonly status: DeadLetterStatus
  readonly reason: string
  readonly step: string
  readonly error: string
  readonly source: string
  readonly key: string
  readonly eventKey: string
  readonly fingerprint: string | undefined
  readonly firstFailedAt: number
  readonly lastFailedAt: number
  readonly replayCount: number
  readonly record: InputRecord
}

export const readLetter = (stage: DeadLetterStage, record: InputRecord, status: DeadLetterStatus): Letter => {
  const text = (name: string): string => record.headers[name]?.toString() ?? ''
  const number = (name: string): number => {
    const value = Number(text(name))
    return Number.isSafeInteger(value) ? value : 0
  }
  return {
    stage,
    partition: record.partition,
    offset: record.offset,
    status,
    record,
    reason: text(HEADER.dlqReason),
    step: text(HEADER.dlqStep),
    error: text(HEADER.dlqError),
    source: text(HEADER.source),
    key: record.key?.toString() ?? '',
    eventKey: record.headers[HEADER.eventKey]?.toString('hex') ?? '',
    fingerprint: record.headers[HEADER.dlqShape]?.toString(),
    firstFailedAt: number(HEADER.firstFailedAt) || record.timestamp,
    lastFailedAt: number(HEADER.lastFailedAt) || record.timestamp,
    replayCount: number(HEADER.replayCount),
  }
}

/** Listing, counting, dry runs and jobs share this predicate, so that a count equals what a job does. */
export const matches = (letter: Letter, filter: LetterFilter): boolean =>
  (filter.status === 'any' || letter.status === filter.status) &&
  (filter.reason === undefined || letter.reason === filter.reason) &&
  (filter.source === undefined || letter.source === filter.source) &&
  (filter.key === undefined || letter.key === filter.key) &&
  (filter.eventKey === undefined || letter.eventKey === filter.eventKey) &&
  (filter.fingerprint === undefined || letter.fingerprint === filter.fingerprint) &&
  (filter.from === undefined || letter.lastFailedAt >= filter.from) &&
  (filter.to === undefined || letter.lastFailedAt < filter.to)
