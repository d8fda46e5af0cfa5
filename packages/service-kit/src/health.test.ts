import { afterEach, expect, it } from 'vitest'
import { startProbeServer, type ProbeServer } from './health.ts'
import { Metrics } from './metrics.ts'

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
