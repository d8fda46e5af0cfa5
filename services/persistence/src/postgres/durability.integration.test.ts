import { ProcessorError, type KafkaLogger } from '@weir/kafka'
import { isolatedDatabase } from '@weir/testkit'
import pg from 'pg'
import { expect, it, vi } from 'vitest'
import { durabilityFaults, requireDurability } from './durability.ts'

const DURABLE = {
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  synchronous_standby_names: '',
  standbys: 0,
}

it.each([
  [{}, undefined],
  [{ synchronous_commit: 'remote_apply', synchronous_standby_names: 'ANY 1 (a, b)' }, undefined],
  [{ synchronous_commit: 'remote_write', synchronous_standby_names: 'a' }, undefined],
  // Without a synchronous standby this is equal to `on`.
  [{ synchronous_commit: 'local' }, undefined],
  [{ synchronous_commit: 'local', synchronous_standby_names: 'a' }, /synchronous_commit=local: .*failover/],
  [{ synchronous_commit: 'off' }, /synchronous_commit=off: a crash loses rows .* set it to on/],
  [{ fsync: 'off' }, /fsync=off: .* set fsync=on/],
  [{ full_page_writes: 'off' }, /full_page_writes=off: .* set full_page_writes=on/],
])('%j', (change, wanted) => {
  const faults = durabilityFaults({ ...DURABLE, ...change })
  if (wanted === undefined) expect(faults).toEqual([])
  else expect(faults).toEqual([expect.stringMatching(wanted)])
})

it('refuses a database with asynchronous commits for its user, and warns in the dev profile', async () => {
  const url = await isolatedDatabase('durability')
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const name = new URL(url).pathname.slice(1)
  await client.query(`ALTER DATABASE ${name} SET synchronous_commit = off`)
  await client.end()
  const warn = vi.fn()
  const logger = { debug: vi.fn(), info: vi.fn(), warn, error: vi.fn() } satisfies KafkaLogger
  const refused = requireDurability(url, 'production', logger)
  await expect(refused).rejects.toThrow(ProcessorError)
  await expect(refused).rejects.toThrow(/synchronous_commit=off/)
  await requireDurability(url, 'dev', logger)
  expect(warn).toHaveBeenCalledWith(
    { faults: expect.arrayContaining([expect.stringMatching(/synchronous_commit=off/)]) as unknown },
    'PostgreSQL can lose stored rows: use it only for trials',
  )
})
