import { createLogger, Metrics } from '@weir/runtime'
import { afterEach, describe, expect, it } from 'vitest'
import { freePorts } from '@weir/local-stack'
import { loadConfig } from './config.ts'
import { start, type IngressService } from './start.ts'
import { TestIngress } from './testing/test-ingress.ts'

const PATHS = ['/livez', '/readyz', '/metrics'] as const
const SECRET = 'a secret of the tests'
let service: IngressService | undefined
afterEach(() => service?.stop())

/** Without brokers: it is not ready, and says so. */
const startWith = async (env: Readonly<Record<string, string>>): Promise<void> => {
  const config = loadConfig({
    WEIR_PROFILE: 'dev',
    KAFKA_BROKERS: '127.0.0.1:1',
    INGRESS_HOST: '127.0.0.1',
    PROBE_HOST: '127.0.0.1',
    SOURCE_NICE_SECRETS: SECRET,
    ...env,
  })
  service = await start(config, { logger: createLogger('test', 'silent'), metrics: new Metrics('test') })
}

const statuses = (port: number, headers: Readonly<Record<string, string>> = {}) =>
  Promise.all(PATHS.map(async (path) => (await fetch(`http://127.0.0.1:${port}${path}`, { headers })).status))

describe('probes and metrics', () => {
  it('have a separate port, and the webhook port does not serve them', async () => {
    const [port, probePort] = (await freePorts(2)) as [number, number]
    await startWith({ INGRESS_PORT: String(port), INGRESS_PROBE_PORT: String(probePort) })
    expect(await statuses(probePort)).toEqual([200, 503, 200])
    expect(await statuses(port)).toEqual([404, 404, 404])
    const posted = await fetch(`http://127.0.0.1:${probePort}/webhooks/nice`, { method: 'POST' })
    expect(posted.status).toBe(404)
  })

  it('are on the webhook port if no other port is configured', async () => {
    const [port] = (await freePorts(1)) as [number]
    await startWith({ INGRESS_PORT: String(port), INGRESS_PROBE_PORT: String(port) })
    expect(await statuses(port)).toEqual([200, 503, 200])
  })

  it('require METRICS_TOKEN on either port', async () => {
    const [port, probePort] = (await freePorts(2)) as [number, number]
    const env = { INGRESS_PORT: String(port), METRICS_TOKEN: 'a-token-of-the-tests' }
    await startWith({ ...env, INGRESS_PROBE_PORT: String(probePort) })
    expect(await statuses(probePort)).toEqual([200, 503, 401])
    expect(await statuses(probePort, { authorization: 'Bearer a-token-of-the-tests' })).toEqual([
      200, 503, 200,
    ])
    await service!.stop()
    const shared = new TestIngress({ ...env, SOURCE_NICE_SECRETS: SECRET })
    expect((await shared.call({ method: 'GET', path: '/metrics' })).status).toBe(401)
    const authorization = 'Bearer a-token-of-the-tests'
    expect((await shared.call({ method: 'GET', path: '/metrics', headers: { authorization } })).status).toBe(
      200,
    )
    service = undefined
  })
})
