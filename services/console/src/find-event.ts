import type { EventIndex } from './event-index.ts'
import { reportOf, type EventReport, type EventStatus } from './event-status.ts'
import { DatabaseUnavailableError, type StoredEvents } from './stored-events.ts'

type DatabaseState = 'asked' | 'away' | 'none'

/** How far back the topics were read. Only the database knows older events. */
interface Reach {
  /** ISO 8601; null: the topics were read from their beginning. */
  readonly eventsSince: string | null
  readonly deadLettersSince: string | null
  /** `asked`: the database responded; `away`: it did not respond; `none`: DATABASE_URL is not set. */
  readonly database: DatabaseState
}

/** The response to a question. `status` is the label of the metric. */
export interface Answer {
  readonly code: 200 | 404 | 503
  readonly status: EventStatus | 'unknown' | 'unavailable'
  readonly body: (EventReport & { readonly reach: Reach }) | { readonly error: string; readonly reach: Reach }
}

const iso = (epochMs: number): string | null => (epochMs === 0 ? null : new Date(epochMs).toISOString())

export const findEventIn = (index: EventIndex, stored: Pick<StoredEvents, 'find'> | undefined) =>
  async function findEvent(eventKey: Buffer): Promise<Answer> {
    const key = eventKey.toString('hex')
    const { row, database } = await lookUp(stored, eventKey)
    const reach: Reach = {
      eventsSince: iso(index.eventsSince),
      deadLettersSince: iso(index.lettersSince),
      database,
    }
    const report = reportOf(key, index.find(key), row, Date.now())
    if (report !== undefined) return { code: 200, status: report.status, body: { ...report, reach } }
    // Without the database the absence of an event cannot be known.
    return database === 'away'
      ? { code: 503, status: 'unavailable', body: { error: 'The database does not respond', reach } }
      : { code: 404, status: 'unknown', body: { error: 'No such event is known', reach } }
  }

const lookUp = async (stored: Pick<StoredEvents, 'find'> | undefined, eventKey: Buffer) => {
  if (stored === undefined) return { row: undefined, database: 'none' as const }
  try {
    return { row: await stored.find(eventKey), database: 'asked' as const }
  } catch (error) {
    if (!(error instanceof DatabaseUnavailableError)) throw error
    return { row: undefined, database: 'away' as const }
  }
}
