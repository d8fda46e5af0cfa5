import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, Metrics } from '@weir/runtime'
import type { SourceAccess } from '@weir/sources'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { loadSources } from './load-sources.ts'
import { SourceReloader } from './source-reloader.ts'

let dir = ''
let reloader: SourceReloader | undefined
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'weir-reload-'))
})
afterEach(() => {
  reloader?.close()
  rmSync(dir, { recursive: true, force: true })
})

const file = (name: string) => join(dir, name)
const write = (name: string, text: string) => writeFileSync(file(name), text)

const open = (env: Readonly<Record<string, string>>, sourcesFile?: string) => {
  const config = { profile: 'dev', trustedProxies: [] as string[], sourceEnv: env, sourcesFile } as const
  const loaded = loadSources(config)
  const metrics = new Metrics('test')
  const used: SourceAccess[][] = [[...loaded.accesses]]
  const logger = createLogger('test', 'silent')
  reloader = new SourceReloader(
    { config, logger, metrics, onLoaded: (accesses) => used.push([...accesses]) },
    loaded,
  )
  return {
    look: () => reloader!.look(),
    used,
    secretsOf: (name: string) => used.at(-1)!.find(({ source }) => source.name === name)?.secrets,
    metric: async (name: string) =>
      (await metrics.registry.metrics()).split('\n').find((line) => line.startsWith(name)),
  }
}

it('reloads secrets that change, and nothing else', async () => {
  write('nice', 'old')
  const { look, used, secretsOf, metric } = open({ SOURCE_NICE_SECRETS_FILE: file('nice') })
  look()
  expect(used).toHaveLength(1)
  write('nice', 'new\nold\n')
  look()
  expect(secretsOf('nice')).toEqual(['new', 'old'])
  expect(await metric('weir_ingress_source_reloads_total{result="loaded"')).toMatch(/ 1$/)
})

it('keeps keys whose file is gone, reports it, and recovers', async () => {
  write('nice', 'old')
  write('cxone', 'c-1')
  const { look, secretsOf, metric } = open({
    SOURCE_NICE_SECRETS_FILE: file('nice'),
    SOURCE_CXONE_SECRETS_FILE: file('cxone'),
  })
  rmSync(file('nice'))
  write('cxone', 'c-2')
  look()
  expect([secretsOf('nice'), secretsOf('cxone')]).toEqual([['old'], ['c-2']])
  expect(await metric('weir_ingress_sources_stale')).toMatch(/ 1$/)
  write('nice', 'new')
  look()
  expect(secretsOf('nice')).toEqual(['new'])
  expect(await metric('weir_ingress_sources_stale')).toMatch(/ 0$/)
})

it('has keys as soon as their file exists', () => {
  const { look, used } = open({ SOURCE_NICE_SECRETS_FILE: file('nice') })
  expect(used.at(-1)![0]!.unavailable).toBe('SOURCE_NICE_SECRETS_FILE: ENOENT')
  write('nice', 'late')
  look()
  expect(used.at(-1)![0]).toMatchObject({ unavailable: undefined, secrets: ['late'] })
})

it('loads a changed sources file, and keeps the previous one if the new one is invalid', () => {
  write('sources.yaml', 'version: 1\nsources:\n  nice: { preset: nice }\n')
  const { look, used } = open({ SOURCE_NICE_SECRETS: 's', SOURCE_GH_SECRETS: 's' }, file('sources.yaml'))
  write('sources.yaml', 'version: 1\nsources:\n  nice: { preset: nicer }\n')
  look()
  expect(used).toHaveLength(1)
  write(
    'sources.yaml',
    'version: 1\nsources:\n  nice: { preset: nice }\n  gh: { preset: github }\n  x: { preset: github }\n',
  )
  look()
  expect(used).toHaveLength(1)
  const certificate = "clientCertificate: { header: x-c, form: subject, identities: ['CN=a'] }"
  write('sources.yaml', `version: 1\nsources:\n  nice: { preset: nice, ${certificate} }\n`)
  look()
  expect(used).toHaveLength(1)
  write('sources.yaml', 'version: 1\nsources:\n  nice: { preset: nice }\n  gh: { preset: github }\n')
  look()
  expect(used.at(-1)!.map(({ source }) => source.name)).toEqual(['nice', 'gh'])
})
