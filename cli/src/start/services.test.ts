import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { folders as foldersOf } from '@weir/local-stack'
import { expect, it, onTestFinished } from 'vitest'
import { loadStartConfig } from '../config.ts'
import { localEnvironment } from './services.ts'
import { settingNames } from '../settings-reference.ts'

it('every server of a local run listens on this machine only', () => {
  const home = mkdtempSync(join(tmpdir(), 'weir-services-'))
  onTestFinished(() => rmSync(home, { recursive: true }))
  const servers = { kafkaBrokers: 'a:1', registryUrl: 'http://a', databaseUrl: 'postgres://a' }
  const env = localEnvironment(loadStartConfig({}), servers as never, foldersOf(home))
  const hosts = [...settingNames()].filter((name) => /^(?!DATADOG).*_HOST$/.test(name))
  expect(hosts.sort()).toEqual(['CONSOLE_HOST', 'INGRESS_HOST', 'PROBE_HOST', 'REPLAY_HOST'])
  for (const name of hosts) expect([name, env[name]]).toEqual([name, '127.0.0.1'])
})
