import { HOSTILE_WAYS, hostileServer, ordeal } from '@weir/testkit'
import { afterEach, expect, it, vi } from 'vitest'
import { ReplayClientError, replayClient } from './replay-client.ts'

afterEach(() => vi.unstubAllEnvs())

it.each(HOSTILE_WAYS)('a replay service that %s ends each call in bounded time and memory', async (way) => {
  vi.stubEnv('REPLAY_URL', `http://127.0.0.1:${await hostileServer('http', way)}`)
  vi.stubEnv('REPLAY_TOKEN', 'canary-canary-canary')
  const client = replayClient(400)
  const stream = async (): Promise<never> => {
    let parts = 0
    // A stream may be as long as it likes: it is for the reader to stop.
    for await (const _ of client.stream('/x')) if (++parts === 20) throw new ReplayClientError('enough')
    throw new Error('the stream has ended')
  }
  for (const call of [() => client.get('/x'), () => client.post('/x', {}), stream]) {
    const { outcome, ms, grownBytes } = await ordeal(call)
    expect(outcome).toBeInstanceOf(ReplayClientError)
    expect((outcome as Error).message).not.toContain('canary')
    expect(ms).toBeLessThan(10_000)
    expect(grownBytes).toBeLessThan(200_000_000)
  }
})
