import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startPooler, type Pooler } from '../testing/pooler.ts'
import { RowFiller } from './row-filler.ts'

const GAPS = [{ source: 'cxone', eventType: 't', fingerprint: 'f', number: 1, missing: ['new'] }]

describe('behind a pooler in transaction mode', () => {
  let pooler: Pooler
  let filler: RowFiller
  beforeEach(async () => {
    pooler = await startPooler('is_ours')
    filler = new RowFiller({ databaseUrl: pooler.databaseUrl, statementTimeoutMs: 1_000 })
  })
  afterEach(async () => {
    await filler.close()
    pooler.close()
  })

  it('sends no startup parameter that a pooler refuses', async () => {
    await filler.fillRecent(GAPS, 60_000)
    expect([...pooler.parameters].sort()).toEqual(['application_name', 'client_encoding', 'database', 'user'])
  })

  it('limits each statement in its own transaction', async () => {
    await filler.fillRecent(GAPS, 60_000)
    expect(pooler.statements).toEqual([
      ['BEGIN; SET LOCAL statement_timeout = 1000', expect.stringMatching(/^UPDATE events/), 'COMMIT'],
    ])
  })

  it('holds its lock in a transaction and not in a session', async () => {
    expect(await filler.alone('cxone', () => filler.fillRecent(GAPS, 60_000))).toBe(1)
    expect(pooler.statements[0]).toEqual([
      'BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0',
      'SELECT pg_try_advisory_xact_lock($1, hashtext($2)) AS is_ours',
      'COMMIT',
    ])
  })

  it('keeps the result of a job when the connection of its lock breaks', async () => {
    const act = async () => {
      pooler.breakConnections()
      return filler.fillRecent(GAPS, 60_000)
    }
    expect(await filler.alone('cxone', act)).toBe(1)
  })
})
