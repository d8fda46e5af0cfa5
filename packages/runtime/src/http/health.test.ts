import { afterEach, expect, it } from 'vitest'
import { startProbeServer, type ProbeServer } from './health.ts'
import { Metrics } from '../service/metrics.ts'

let probes: ProbeServer | undefined
afterEach(() => probes?.close())

it.each([
  ['127.0.0.1', false],
  ['0.0.0.0', true],
])('probes on %s answer other addresses of the machine: %s', async (host, others) => {
  probes = await startProbeServer({ port: 0, host, metrics: new Metrics('test'), readiness: () => [] })
  const { port } = probes
  const answers = (address: string) =>
    fetch(`http://${address}:${port}/livez`).then(
      ({ ok }) => ok,
      () => false,
    )
  expect(await answers('127.0.0.1')).toBe(true)
  expect(await answers('127.0.0.2')).toBe(others)
})

it.each([
  [undefined, undefined, 200],
  ['the-token', undefined, 401],
  ['the-token', 'Bearer another', 401],
  ['the-token', 'the-token', 401],
  ['the-token', 'Bearer the-token', 200],
  ['the-token', 'bearer  the-token', 200],
])(
  'with the token %s metrics asked for with %s are %i, and the probes need none',
  async (token, given, status) => {
    probes = await startProbeServer({
      port: 0,
      host: '127.0.0.1',
      metrics: new Metrics('test'),
      readiness: () => Promise.resolve(['waiting']),
      metricsToken: token,
    })
    const ask = (path: string) =>
      fetch(`http://127.0.0.1:${probes!.port}${path}`, {
        headers: given === undefined ? {} : { authorization: given },
      })
    expect((await ask('/metrics')).status).toBe(status)
    const ready = await fetch(`http://127.0.0.1:${probes.port}/readyz`)
    expect([ready.status, await ready.text()]).toEqual([503, '{"status":"not ready","reasons":["waiting"]}'])
  },
)

it.each([
  [{}, 200],
  [{ 'x-forwarded-for': '192.0.2.1' }, 403],
  [{ 'X-Real-IP': '192.0.2.1' }, 403],
  [{ forwarded: 'for=192.0.2.1' }, 403],
  [{ via: '1.1 proxy' }, 403],
  [{ origin: 'https://attacker.example' }, 403],
])('what only this machine may ask is answered with %o: %i', async (headers, status) => {
  const answer = () => Promise.resolve({ status: 200, body: {} })
  const metrics = new Metrics('test')
  const localRoutes = { 'POST /partitions/resume': answer }
  probes = await startProbeServer({ port: 0, host: '127.0.0.1', metrics, readiness: () => [], localRoutes })
  const asked = await fetch(`http://127.0.0.1:${probes.port}/partitions/resume`, { method: 'POST', headers })
  expect(asked.status).toBe(status)
})
