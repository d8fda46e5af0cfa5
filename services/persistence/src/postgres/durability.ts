import { ProcessorError, type KafkaLogger } from '@weir/kafka'
import pg from 'pg'
import { sinkErrorOf } from './sql-faults.ts'
import { connectionTo } from './transaction.ts'

export interface DurabilitySettings {
  readonly fsync: string
  readonly full_page_writes: string
  readonly synchronous_commit: string
  readonly synchronous_standby_names: string
  /** Standbys that are connected now. */
  readonly standbys: number
}

/** Settings with which PostgreSQL can lose an acknowledged commit, each with its value and the fix. */
export const durabilityFaults = (found: DurabilitySettings): readonly string[] => {
  const faults: string[] = []
  const fault = (name: keyof DurabilitySettings, loss: string, fix = `set ${name}=on`) =>
    faults.push(`PostgreSQL has ${name}=${found[name]}: ${loss}; ${fix}, or set WEIR_PROFILE=dev for a trial`)
  if (found.fsync !== 'on') fault('fsync', 'a crash of its machine loses or damages rows')
  if (found.full_page_writes !== 'on') fault('full_page_writes', 'a crash of its machine can damage rows')
  const { synchronous_commit: commit, synchronous_standby_names: names } = found
  const where = ' for the server, the database and the user of DATABASE_URL'
  if (commit === 'off') {
    fault('synchronous_commit', 'a crash loses rows whose offsets are committed', `set it to on${where}`)
  } else if (commit === 'local' && names !== '') {
    fault(
      'synchronous_commit',
      'it does not wait for the standbys of synchronous_standby_names, and a failover loses rows whose offsets are committed',
      `set it to on${where}`,
    )
  }
  return faults
}

/**
 * Checks the settings on which the durability of a commit depends, for the user of `databaseUrl`. Rejects with a
 * `ProcessorError` if a commit can be lost; the dev profile logs a warning instead. Rejects with a
 * `SinkUnavailableError` while the database is unavailable.
 */
export const requireDurability = async (
  databaseUrl: string,
  profile: 'production' | 'dev',
  logger: KafkaLogger,
): Promise<void> => {
  const found = await read(databaseUrl)
  const faults = durabilityFaults(found)
  if (faults.length > 0) {
    if (profile === 'production') throw new ProcessorError(faults.join('\n'))
    logger.warn({ faults }, 'PostgreSQL can lose stored rows: use it only for trials')
  }
  if (found.standbys > 0 && found.synchronous_standby_names === '') {
    logger.warn(
      { standbys: found.standbys },
      'the standbys of PostgreSQL are asynchronous: a failover to one loses rows whose offsets are committed; set synchronous_standby_names, or never fail over to them',
    )
  }
}

const QUERY = `
SELECT current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
  current_setting('synchronous_commit') AS synchronous_commit,
  current_setting('synchronous_standby_names') AS synchronous_standby_names,
  (SELECT count(*)::int FROM pg_stat_replication) AS standbys`

const QUERY_MS = 10_000

const read = async (databaseUrl: string): Promise<DurabilitySettings> => {
  const client = new pg.Client({ ...connectionTo(databaseUrl), query_timeout: QUERY_MS })
  client.on('error', () => undefined)
  try {
    await client.connect()
    const { rows } = await client.query<DurabilitySettings>(QUERY)
    return rows[0]!
  } catch (error) {
    throw sinkErrorOf(error)
  } finally {
    await client.end().catch(() => undefined)
  }
}
