import { boundedAnswers } from '@weir/runtime'
import pg from 'pg'

/** Limit of a response, which has only keys, hashes and counts. */
const ANSWER_BYTES_MAX = 67_108_864

/** Options of every connection to the database. */
export const connectionTo = (databaseUrl: string) => ({
  connectionString: databaseUrl,
  connectionTimeoutMillis: 5_000,
  stream: boundedAnswers(ANSWER_BYTES_MAX),
})

/**
 * Begins a transaction with its settings. A pooler refuses settings as startup parameters, and passes settings of a
 * session on to other clients.
 */
export const beginWith = (settings: Readonly<Record<string, number>>): string =>
  ['BEGIN', ...Object.entries(settings).map(([name, value]) => `SET LOCAL ${name} = ${value}`)].join('; ')

/**
 * Runs one transaction, which the statement `begin` opens. Rejects with the error that made it fail, after a rollback.
 */
export const inTransaction = async <T>(
  pool: pg.Pool,
  begin: string,
  run: (client: pg.PoolClient) => Promise<T>,
): Promise<T> => {
  const client = await pool.connect()
  client.on('error', ignored)
  let isUsable = false
  try {
    await client.query(begin)
    const result = await run(client)
    await client.query('COMMIT')
    isUsable = true
    return result
  } catch (error) {
    // A connection that did not respond is closed instead of rolled back.
    isUsable = error instanceof pg.DatabaseError && (await rolledBack(client))
    throw error
  } finally {
    client.off('error', ignored)
    client.release(!isUsable)
  }
}

/** The query of a broken connection reports the error. */
const ignored = (): void => undefined

const rolledBack = (client: pg.PoolClient): Promise<boolean> =>
  client.query('ROLLBACK').then(
    () => true,
    () => false,
  )
