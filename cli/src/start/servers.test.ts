import { createServer } from 'node:net'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { folders as foldersOf, freePorts } from '@weir/local-stack'
import { expect, it, onTestFinished } from 'vitest'
import { loadStartConfig } from '../config.ts'
import { CannotStartError, missingPrograms, requireFreePorts } from './servers.ts'

const PORTS = [
  'INGRESS_PORT',
  'KAFKA_PORT',
  'KAFKA_CONTROLLER_PORT',
  'REGISTRY_PORT',
  'POSTGRES_PORT',
  'INFLUX_PORT',
  'DEDUP_PROBE_PORT',
  'NORMALIZER_PROBE_PORT',
  'PERSISTENCE_PROBE_PORT',
  'METRIC_EXPORT_PROBE_PORT',
  'SIMULATOR_PROBE_PORT',
  'CONSOLE_PORT',
]

const freeEnv = async (): Promise<Record<string, string>> => {
  const ports = await freePorts(PORTS.length)
  return Object.fromEntries(PORTS.map((name, i) => [name, String(ports[i])]))
}

it('names every port in use, except those of given servers', async () => {
  const env = await freeEnv()
  await requireFreePorts(loadStartConfig(env))
  const server = createServer()
  onTestFinished(() => void server.close())
  await new Promise<void>((resolve) => server.listen(Number(env.POSTGRES_PORT), '127.0.0.1', resolve))
  const clash = requireFreePorts(loadStartConfig({ ...env, KAFKA_PORT: env.INGRESS_PORT }))
  await expect(clash).rejects.toThrow(CannotStartError)
  await expect(clash).rejects.toThrow(`port ${env.POSTGRES_PORT!} (POSTGRES_PORT) is taken`)
  await expect(clash).rejects.toThrow(
    `port ${env.INGRESS_PORT!} is used twice: by INGRESS_PORT and by KAFKA_PORT`,
  )
  await requireFreePorts(loadStartConfig({ ...env, DATABASE_URL: 'postgres://elsewhere' }))
})

it('requires Java only when a server needs it', async () => {
  const home = mkdtempSync(join(tmpdir(), 'weir-missing-'))
  onTestFinished(() => rmSync(home, { recursive: true }))
  const missing = (env: Record<string, string>) =>
    missingPrograms(loadStartConfig(env), foldersOf(home), undefined)
  const given = { KAFKA_BROKERS: 'a:1', SCHEMA_REGISTRY_URL: 'http://a' }
  expect((await missing({}))[0]).toMatch(/JDK or JRE of version 17/)
  expect((await missing({ KAFKA_BROKERS: 'a:1' }))[0]).toMatch(/JDK or JRE of version 17/)
  expect(await missing(given)).toEqual([])
})
