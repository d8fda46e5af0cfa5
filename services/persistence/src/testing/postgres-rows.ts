import { createHash } from 'node:crypto'
import { storedText } from '@weir/contracts'
import {
  openTcpProxy,
  rowEvent,
  type RefusedEvent,
  type Restore,
  type RowStore,
} from '@weir/row-sink/testing'
import pg from 'pg'
import { PostgresSink } from '../postgres/postgres-sink.ts'

const ROW = `SELECT event_type AS "eventType", message, sequence::text, body_hash AS "bodyHash", raw,
  (SELECT json_object_agg(key, value::text) FROM jsonb_each(attributes)) AS attributes
FROM events WHERE event_key = $1`

interface Row {
  readonly eventType: string
  readonly message: string | null
  readonly sequence: string | null
  readonly bodyHash: Buffer
  readonly raw: Buffer
  readonly attributes: Readonly<Record<string, string>> | null
}

const bytesOf = (eventKey: string): Buffer => Buffer.from(eventKey, 'hex')

/** Random hex, which compression cannot make shorter than the limit of an index. */
const LONG_ID = Array.from({ length: 300 }, (_, index) =>
  createHash('sha256').update(String(index)).digest('hex'),
).join('')

/** PostgreSQL behind a proxy, as the conformance suite needs it. The tables must be there. */
export const openPostgresRows = async (
  databaseUrl: string,
): Promise<RowStore & { readonly client: pg.Client; close(): Promise<void> }> => {
  const direct = new URL(databaseUrl)
  const proxy = await openTcpProxy({ host: direct.hostname, port: Number(direct.port) })
  const behind = new URL(databaseUrl)
  behind.hostname = '127.0.0.1'
  behind.port = String(proxy.port)
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  return {
    client,
    openSink: () => new PostgresSink({ databaseUrl: behind.href, poolMax: 2, statementTimeoutMs: 10_000 }),
    rowOf: async (eventKey) => {
      const { rows } = await client.query<Row>(ROW, [bytesOf(eventKey)])
      const [row] = rows
      return (
        row && {
          ...row,
          sequence: row.sequence === null ? null : BigInt(row.sequence),
          attributes: row.attributes ?? {},
        }
      )
    },
    countOf: async (eventKeys) => {
      const sql = 'SELECT count(*)::integer AS count FROM events WHERE event_key = ANY($1::bytea[])'
      const { rows } = await client.query<{ count: number }>(sql, [eventKeys.map(bytesOf)])
      return rows[0]!.count
    },
    latestOf: async (source, interactionId) => {
      const sql = 'SELECT event_key AS key FROM interactions WHERE source = $1 AND interaction_id = $2'
      const { rows } = await client.query<{ key: Buffer }>(sql, [source, interactionId])
      return rows[0]?.key.toString('hex')
    },
    heldText: storedText,
    refusedEvents: (): readonly RefusedEvent[] => [
      { because: 'a check of the table', event: rowEvent('short', { eventKey: 'ab' }) },
      { because: 'the size limit of an index', event: rowEvent('long', { interactionId: LONG_ID }) },
    ],
    cutAfter: proxy.cutAfter,
    takeAway: proxy.takeAway,
    refuseAll: async (): Promise<Restore> => {
      await client.query('ALTER TABLE events RENAME TO events_elsewhere')
      return async () => {
        await client.query('ALTER TABLE events_elsewhere RENAME TO events')
      }
    },
    close: async () => {
      await client.end()
      proxy.close()
    },
  }
}
