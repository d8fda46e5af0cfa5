import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { influxAccess, PointsRefusedError, writePoints } from './influx.ts'

it('user and password of INFLUX_URL are the token of InfluxDB 1.8, unless a token is set', () => {
  const influxUrl = 'http://us%40er:pa%3Ass@influx:8086/base/'
  expect(influxAccess({ influxUrl, influxToken: '' })).toEqual({
    url: 'http://influx:8086/base',
    token: 'us@er:pa:ss',
  })
  expect(influxAccess({ influxUrl, influxToken: 't' }).token).toBe('t')
  expect(influxAccess({ influxUrl: 'http://influx:8086', influxToken: '' })).toEqual({
    url: 'http://influx:8086',
    token: '',
  })
  expect(influxAccess({ influxUrl: 'http://user:100%@influx:8086', influxToken: '' }).token).toBe('user:100%')
})

it('they reach the server in a header, and no error', async () => {
  const seen: unknown[] = []
  const server = createServer(({ url, headers }, response) => {
    seen.push([new URL(url!, 'http://influx').pathname, headers.authorization])
    response.writeHead(seen.length === 1 ? 204 : 307, { location: 'http://127.0.0.1:1/' }).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const settings = {
    influxUrl: `http://user:canary@127.0.0.1:${(server.address() as AddressInfo).port}`,
    influxToken: '',
    influxOrg: 'o',
    influxBucket: 'b',
    influxTimeoutMs: 5_000,
    environment: 'e',
  }
  const point = { windowStart: 1, rotations: 0, keysHeld: 0 } as never
  await writePoints(settings, 0, [point])
  // A redirect would take them elsewhere.
  const refused = (await writePoints(settings, 0, [point]).catch((error: unknown) => error)) as Error
  expect(refused.message).toMatch(/307/)
  expect(JSON.stringify([refused.message, refused.stack, String(refused.cause)])).not.toContain('canary')
  expect(seen).toEqual(Array(2).fill(['/api/v2/write', 'Token user:canary']))
})

it('a server that sends back what it was sent shows the token in no error', async () => {
  const server = createServer(({ headers }, response) => {
    response.writeHead(400).end(JSON.stringify({ authorization: headers.authorization }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  for (const influxToken of ['canary-token', 'user:canary-password']) {
    const settings = {
      influxUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      influxToken,
      influxOrg: 'o',
      influxBucket: 'b',
      influxTimeoutMs: 5_000,
      environment: 'e',
    }
    const point = { windowStart: 1, rotations: 0, keysHeld: 0 } as never
    const refused = (await writePoints(settings, 0, [point]).catch((error: unknown) => error)) as Error
    expect(refused).toBeInstanceOf(PointsRefusedError)
    expect(refused.message).toContain('authorization')
    expect(`${refused.message} ${refused.stack}`).not.toContain('canary')
  }
})
