import { HOSTILE_WAYS, hostileServer, ordeal } from '@weir/testkit'
import { expect, it } from 'vitest'
import { DatabaseUnavailableError, StoredEvents } from './stored-events.ts'

it.each(HOSTILE_WAYS.flatMap((way) => [['postgres', way] as const, ['postgresSession', way] as const]))(
  'the console does without a %s server that %s, in bounded time and memory',
  async (protocol, way) => {
    const port = await hostileServer(protocol, way)
    const stored = new StoredEvents({
      databaseUrl: `postgresql://u:p@127.0.0.1:${port}/weir`,
      timeoutMs: 300,
    })
    const { outcome, ms, grownBytes } = await ordeal(() => stored.find(Buffer.alloc(16)))
    await stored.close()
    expect(outcome).toBeInstanceOf(DatabaseUnavailableError)
    expect(ms).toBeLessThan(10_000)
    expect(grownBytes).toBeLessThan(120_000_000)
  },
)
