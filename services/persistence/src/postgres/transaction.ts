import { boundedAnswers } from '@weir/runtime'
import pg from 'pg'

/** Answers hold keys, hashes and counts. */
const ANSWER_BYTES_MAX = 67_108_864

/** What every connection to the database has. */
export const connectionTo = (databaseUrl: string) => ({
  connectionString: databaseUrl,
  connectionTimeoutMillis: 5_000,
  stream: boundedAnswers(ANSWER_BYTES_MAX),
})

/**
 * Begins a transaction with settings of its own: a pooler refuses settings as parameters of the connection, and gives
 * those of a session to somebody else.
 */
export const beginWith = (settings: Readonly<Record<string, number>>): string =>
  ['BEGIN', ...Object.entries(settings).map(([name, value]) => `SET LOCAL ${name} = ${value}`)].join('; ')

/** One transaction, which `begin` begins, on a connection of its own. Rejects with what failed, after a rollback. */
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
    // One that has not answered would not answer now.
    isUsable = error instanceof pg.DatabaseError && (await rolledBack(client))
    throw error
  } finally {
    client.off('error', ignored)
    client.release(!isUsable)
  }
}

/** A connection that breaks fails its query, too. */
const ignored = (): void => undefined

const rolledBack = (client: pg.PoolClient): Promise<boolean> =>
  client.query('ROLLBACK').then(
    () => true,
    () => false,
  )
