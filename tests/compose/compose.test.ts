import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { webConsole } from '@weir/console'
import { dedup } from '@weir/dedup'
import { ingress } from '@weir/ingress'
import { metricExport } from '@weir/metric-export'
import { normalizer } from '@weir/normalizer'
import { persistence } from '@weir/persistence'
import { replay } from '@weir/replay'
import { isSecret, type Settings } from '@weir/service-kit'
import { simulator } from '@weir/simulator'
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { findCompose, type Compose } from '../../tools/containers/compose.ts'
import { run } from '../../tools/containers/run.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const SERVICES: readonly { readonly name: string; readonly settings: Settings }[] = [
  ingress,
  dedup,
  normalizer,
  persistence,
  metricExport,
  webConsole,
  replay,
  simulator,
]
/** Set by the image, the same in every container. */
const OF_THE_IMAGE =
  /^(INGRESS_HOST|INGRESS_PORT|CONSOLE_HOST|CONSOLE_PORT|REPLAY_HOST|REPLAY_PORT|[A-Z_]+_PROBE_PORT|PROBE_HOST|STATE_DIR|TRUTH_DIR)$/
const BUILD_MS_MAX = 900_000

interface Service {
  readonly image: string
  readonly environment?: Readonly<Record<string, string | null>>
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly restart?: string
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean }
  readonly deploy?: { readonly resources?: { readonly limits?: { readonly memory?: string } } }
}
type Services = Readonly<Record<string, Service>>

const found = await findCompose()
if (typeof found === 'string') console.warn(`docker-compose.yml is not checked: ${found}`)

describe.skipIf(typeof found === 'string')('docker-compose.yml', { timeout: 60_000 }, () => {
  const compose = found as Compose
  const config = async (args: readonly string[], env: Record<string, string> = {}): Promise<Services> => {
    // Nothing but what the test gives: a developer's own .env and variables must not decide.
    const isolated = Object.fromEntries(Object.keys(process.env).map((name) => [name, undefined]))
    const { PATH, HOME } = process.env
    const all = [...compose.args, '--project-directory', ROOT, '--file', `${ROOT}/docker-compose.yml`]
    const ownEnv = args.includes('--env-file') ? [] : ['--env-file', '/dev/null']
    const json = await run(compose.command, [...all, ...ownEnv, ...args, 'config', '--format', 'json'], {
      cwd: ROOT,
      env: { ...isolated, PATH, HOME, ...env },
    })
    return (JSON.parse(json) as { services: Services }).services
  }
  let core: Services
  let all: Services
  let scale: Services
  beforeAll(async () => {
    core = await config([])
    all = await config(['--profile', 'simulator'])
    scale = await config(['--env-file', 'deploy/compose/scale.env'])
  }, BUILD_MS_MAX)

  it('runs the servers, the jobs and every service; the simulator only by its profile', () => {
    const jobs = ['secrets', 'topics']
    const servers = ['influxdb', 'kafka', 'postgres', 'registry']
    const names = SERVICES.map(({ name }) => name)
    expect(Object.keys(all).toSorted()).toEqual([...jobs, ...servers, ...names].toSorted())
    expect(Object.keys(core)).not.toContain('simulator')
  })

  it.each(SERVICES)('lets every setting of $name be set, and gives it no other', ({ name, settings }) => {
    const given = Object.keys(all[name]!.environment!)
    const known = Object.values(settings).flatMap(({ env, aliases = [] }) => [env, ...aliases])
    const wanted = Object.values(settings)
      .map(({ env }) => env)
      .filter((env) => !OF_THE_IMAGE.test(env))
    expect(given).toEqual(expect.arrayContaining(wanted))
    const unknown = given.filter(
      (env) => !known.includes(env) && !known.includes(env.replace(/_FILE$/, '')) && env !== 'NODE_OPTIONS',
    )
    expect(unknown).toEqual([])
  })

  it('holds no secret: each comes from the environment or from a file', () => {
    const secret = new Set(
      SERVICES.flatMap(({ settings }) => Object.values(settings))
        .filter((one) => isSecret(one) || one.env === 'DATABASE_URL')
        .flatMap(({ env, aliases = [] }) => [env, ...aliases]),
    )
    const set = Object.values(all).flatMap(({ environment = {} }) =>
      Object.entries(environment).filter(([env, value]) => secret.has(env) && value !== null),
    )
    expect(set).toEqual([])
  })

  it('hands on what the environment sets', async () => {
    const services = await config([], { DEDUP_WINDOW_SECS: '604800', SOURCE_NICE_SECRETS: 'abc' })
    expect(services.dedup!.environment!.DEDUP_WINDOW_SECS).toBe('604800')
    expect(services.ingress!.environment!.SOURCE_NICE_SECRETS).toBe('abc')
    expect(services.dedup!.environment!.SOURCE_NICE_SECRETS).toBeUndefined()
  })

  it('gives ingress, and nobody else, the secrets of a sources file’s own sources', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weir-compose-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const lines = [
      'SOURCE_ACME_SECRETS=a,b',
      'SOURCE_SHOP_EU_SECRETS_FILE=/etc/weir/shop',
      'SOURCE_NICE_SECRETS=file',
    ]
    writeFileSync(join(folder, 'sources.env'), lines.join('\n'))
    const env = { WEIR_CONFIG_DIR: folder, SOURCES_FILE: '/etc/weir/sources.yaml' }
    const services = await config(['--profile', 'simulator'], env)
    expect(services.ingress!.environment).toMatchObject({
      ...{ SOURCE_ACME_SECRETS: 'a,b', SOURCE_SHOP_EU_SECRETS_FILE: '/etc/weir/shop' },
    })
    for (const [name, { environment = {} }] of Object.entries(services)) {
      if (name === 'ingress') continue
      expect([name, Object.keys(environment).filter((key) => /ACME|SHOP/.test(key))]).toEqual([name, []])
    }
    for (const name of ['ingress', 'dedup', 'normalizer', 'replay']) {
      expect(services[name]!.environment!.SOURCES_FILE, name).toBe('/etc/weir/sources.yaml')
    }
  })

  it('bounds every container, and gives Weir’s neither root’s file system nor its rights', () => {
    for (const [name, service] of Object.entries(all)) {
      expect(service.deploy?.resources?.limits?.memory, name).toBeDefined()
      expect(service.restart, name).toMatch(/^(unless-stopped|on-failure:5)$/)
      if (!service.image.startsWith('weir')) continue
      expect(service, name).toMatchObject({ read_only: true, cap_drop: ['ALL'] })
    }
  })

  it('gives dedup the memory without which it would not start', () => {
    const { environment, deploy } = core.dedup!
    const limit = Number(deploy!.resources!.limits!.memory)
    const spy = vi.spyOn(process, 'constrainedMemory').mockReturnValue(limit)
    const env = Object.entries(environment!).filter(([, value]) => value !== null)
    expect(() => dedup.loadConfig(Object.fromEntries(env) as Record<string, string>)).not.toThrow()
    spy.mockReturnValue(limit / 4)
    expect(() => dedup.loadConfig(Object.fromEntries(env) as Record<string, string>)).toThrow('memory')
    spy.mockRestore()
  })

  it('is explained by .env.example, which names every variable that it takes and no other', () => {
    const example = readFileSync(`${ROOT}/.env.example`, 'utf8').match(/^# [A-Z_]+(?==)/gm)!
    const named = new Set(example.map((line) => line.slice(2)))
    const file = readFileSync(`${ROOT}/docker-compose.yml`, 'utf8')
    const substituted = [...file.matchAll(/\$\{([A-Z_]+)/g)].map(([, name]) => name!)
    const handedOn = [...file.matchAll(/^ +([A-Z_]+):$/gm)].map(([, name]) => name!)
    expect([...named].toSorted()).toEqual([...new Set([...substituted, ...handedOn])].toSorted())
  })

  it('has three brokers and what production demands with deploy/compose/scale.env', () => {
    const brokers = ['kafka', 'kafka-2', 'kafka-3'].map((name) => scale[name]!.environment!)
    expect(new Set(brokers.map(({ KAFKA_NODE_ID }) => KAFKA_NODE_ID)).size).toBe(3)
    for (const environment of brokers) {
      expect(environment.KAFKA_CONTROLLER_QUORUM_VOTERS!.split(',')).toHaveLength(3)
      expect(environment.KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR).toBe('3')
      expect(environment.KAFKA_TRANSACTION_STATE_LOG_MIN_ISR).toBe('2')
    }
    const { TOPIC_REPLICATION_FACTOR, TOPIC_MIN_INSYNC_REPLICAS } = scale.topics!.environment!
    expect([TOPIC_REPLICATION_FACTOR, TOPIC_MIN_INSYNC_REPLICAS]).toEqual(['3', '2'])
    expect(scale.ingress!.environment!.WEIR_PROFILE).toBe('production')
  })
})

describe('Dockerfile', () => {
  const read = (path: string): string => readFileSync(`${ROOT}/${path}`, 'utf8')

  it('has each folder of a volume: a volume gets its owner from there, and is root’s where there is none', () => {
    const mounted = [...read('docker-compose.yml').matchAll(/:(\/var\/lib\/weir\/[\w/]+)/g)]
    const made = /mkdir -p ([^&]+)/.exec(read('Dockerfile'))![1]!.split(/[\s\\]+/)
    const folders = new Set(mounted.map(([, folder]) => folder!.replace('/var/lib/', '')))
    expect([...folders].filter((folder) => !made.includes(folder))).toEqual([])
    expect(folders.size).toBeGreaterThan(4)
  })

  it('has every service answer its probes where the health check asks', () => {
    const port = /const PORT = (\d+)/.exec(read('deploy/container/healthy.mjs'))![1]!
    const probes = SERVICES.flatMap(({ settings }) => Object.values(settings))
      .map(({ env }) => env)
      .filter((env) => /^(INGRESS|CONSOLE|REPLAY|[A-Z_]+_PROBE)_PORT$/.test(env))
    const dockerfile = read('Dockerfile')
    for (const env of probes) expect(dockerfile).toContain(` ${env}=${port}`)
    expect(probes).toHaveLength(SERVICES.length)
  })

  it('has the Node and the pnpm that bootstrap fetches, wherever their versions stand', () => {
    const bootstrap = read('tools/bootstrap.mjs')
    const [node, pnpm] = ['NODE', 'PNPM'].map(
      (name) => new RegExp(`${name}_VERSION = '(.+)'`).exec(bootstrap)![1]!,
    )
    expect(read('pnpm-workspace.yaml')).toContain(`nodeVersion: ${node}\n`)
    expect(read('Dockerfile')).toContain(`NODE_IMAGE=node:${node}-slim\n`)
    expect(read('Dockerfile')).toContain(` pnpm@${pnpm}\n`)
    for (const file of ['docker-compose.yml', '.env.example', 'docs/operations/deploy.md']) {
      expect([...read(file).matchAll(/node:([\d.]+)-slim/g)].map(([, version]) => version)).toEqual([node])
    }
  })
})
