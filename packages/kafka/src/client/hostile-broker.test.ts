import { HOSTILE_WAYS, hostileServer, ordeal } from '@weir/testkit'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { ResponseFrames } from './bounded-sockets.ts'
import { kafkaCluster } from './kafka-client.ts'

const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
}

it.each(HOSTILE_WAYS)('a broker that %s fails each request in bounded time and memory', async (way) => {
  const port = await hostileServer('kafka', way)
  const cluster = kafkaCluster({
    settings: { kafkaBrokers: [`127.0.0.1:${port}`], kafkaSsl: false, topicPrefix: '' } as never,
    logger: silent,
    clientId: 'test',
    requestTimeoutMs: 400,
    retry: { retries: 0 },
  })
  const { outcome, ms, grownBytes } = await ordeal(() => cluster.connect())
  await cluster.disconnect()
  expect(outcome).toBeInstanceOf(Error)
  expect(ms).toBeLessThan(10_000)
  expect(grownBytes).toBeLessThan(60_000_000)
})

const frame = (length: number, bytes = length): Buffer => {
  const whole = Buffer.alloc(4 + bytes)
  whole.writeInt32BE(length)
  return whole
}

it('finds the first impossible length, wherever the chunks are cut', () => {
  const good = fc.integer({ min: 4, max: 300 })
  const bad = fc.constantFrom(-1, 0, 3, 301, 0x48545450, -0x80000000)
  fc.assert(
    fc.property(fc.array(good), fc.option(bad), fc.array(fc.nat(400)), (lengths, wrong, cuts) => {
      const frames = [...lengths.map((length) => frame(length)), ...(wrong === null ? [] : [frame(wrong, 9)])]
      const bytes = Buffer.concat(frames)
      const following = new ResponseFrames(300)
      const found: number[] = []
      for (let at = 0, index = 0; at < bytes.length && found.length === 0; index++) {
        const end = at + 1 + (cuts[index] ?? 400)
        const length = following.follow(bytes.subarray(at, end))
        if (length !== undefined) found.push(length)
        at = end
      }
      expect(found).toEqual(wrong === null ? [] : [wrong])
    }),
  )
})
