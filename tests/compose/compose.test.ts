import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { portVariable } from '@weir/contracts'
import { isSecret } from '@weir/runtime'
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { ALL_SERVICES } from '../../cli/src/all-services.ts'
import { SET_BY_IMAGE } from '../../cli/src/settings-reference.ts'
import { findCompose, type Compose } from '../../tools/containers/compose.ts'
import { run } from '../../tools/containers/run.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const serviceOf = (name: string) => ALL_SERVICES.find((service) => service.name === name)!
const BUILD_MS_MAX = 900_000

interface Service {
  readonly image: string
  readonly environment?: Readonly<Record<string, string | null>>
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly cap_add?: readonly string[]
  readonly security_opt?: readonly string[]
  readonly user?: string
  readonly network_mode?: string
  readonly volumes?: readonly {
    readonly source?: string
    readonly target: string
    readonly read_only?: boolean
  }[]
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
    all = await config(['--profile', 'simulator', '--profile', 'proxy', '--profile', 'audit'])
    scale = await config(['--env-file', 'deploy/compose/scale.env'])
  }, BUILD_MS_MAX)

  it('runs the servers, the jobs and every service; the simulator only by its profile', () => {
    const jobs = ['secrets', 'topics', 'database', 'audit']
    const servers = ['influxdb', 'kafka', 'postgres', 'registry', 'proxy']
    const names = ALL_SERVICES.map(({ name }) => name)
    expect(Object.keys(all).toSorted()).toEqual([...jobs, ...servers, ...names].toSorted())
    for (const name of ['simulator', 'proxy', 'audit']) expect(Object.keys(core)).not.toContain(name)
  })

  it.each(ALL_SERVICES)('lets every setting of $name be set, and gives it no other', ({ name, settings }) => {
    const given = Object.keys(all[name]!.environment!)
    const known = Object.values(settings).flatMap(({ env, aliases = [] }) => [env, ...aliases])
    const wanted = Object.values(settings)
      .map(({ env }) => env)
      .filter((env) => !SET_BY_IMAGE.has(env))
    expect(given).toEqual(expect.arrayContaining(wanted))
    const unknown = given.filter(
      (env) => !known.includes(env) && !known.includes(env.replace(/_FILE$/, '')) && env !== 'NODE_OPTIONS',
    )
    expect(unknown).toEqual([])
  })

  it('holds no secret: each comes from the environment or from a file', () => {
    const secret = new Set(
      ALL_SERVICES.flatMap(({ settings }) => Object.values(settings))
        .filter((one) => isSecret(one) || one.env === 'DATABASE_URL')
        .concat(
          ['ADMIN', 'OWNER', 'WRITER', 'READER'].map((role) => ({
            ...serviceOf('persistence').settings.databaseUrl!,
            env: `DATABASE_${role}_URL`,
          })),
        )
        .flatMap(({ env, aliases = [] }) => [env, ...aliases]),
    )
    const set = Object.values(all).flatMap(({ environment = {} }) =>
      Object.entries(environment).filter(([env, value]) => secret.has(env) && value !== null && value !== ''),
    )
    expect(set).toEqual([])
  })

  it('hands on what the environment sets', async () => {
    const services = await config([], { DEDUP_WINDOW_SECS: '604800', SOURCE_NICE_SECRETS: 'abc' })
    expect(services.dedup!.environment!.DEDUP_WINDOW_SECS).toBe('604800')
    expect(services.ingress!.environment!.SOURCE_NICE_SECRETS).toBe('abc')
    expect(services.dedup!.environment!.SOURCE_NICE_SECRETS).toBeUndefined()
  })

  it('takes CXONE_WEBHOOK_SECRET for the sources whose systems had it, unless they have secrets of their own', async () => {
    const of = async (env: Record<string, string>) => {
      const { ingress: service } = await config([], env)
      const { SOURCE_CXONE_SECRETS, SOURCE_NICE_SECRETS } = service!.environment!
      return [SOURCE_CXONE_SECRETS, SOURCE_NICE_SECRETS]
    }
    expect(await of({ CXONE_WEBHOOK_SECRET: 'abc' })).toEqual(['abc', 'abc'])
    expect(await of({ CXONE_WEBHOOK_SECRET: 'abc', SOURCE_NICE_SECRETS: 'own' })).toEqual(['abc', 'own'])
    expect(await of({})).toEqual(['', ''])
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
      SOURCE_ACME_SECRETS: 'a,b',
      SOURCE_SHOP_EU_SECRETS_FILE: '/etc/weir/shop',
    })
    for (const [name, { environment = {} }] of Object.entries(services)) {
      if (name === 'ingress') continue
      expect([name, Object.keys(environment).filter((key) => /ACME|SHOP/.test(key))]).toEqual([name, []])
    }
    for (const name of ['ingress', 'dedup', 'normalizer', 'replay']) {
      expect(services[name]!.environment!.SOURCES_FILE, name).toBe('/etc/weir/sources.yaml')
    }
  })

  it('bounds every container, and gives it neither a file system to write to nor root’s rights', () => {
    /** What a program cannot do without; the reason is in docs/operations/deploy.md. */
    const kept: Readonly<Record<string, readonly string[]>> = {
      secrets: ['CHOWN', 'DAC_OVERRIDE'],
      proxy: ['NET_BIND_SERVICE'],
    }
    for (const [name, service] of Object.entries({ ...all, ...scale })) {
      expect(service.deploy?.resources?.limits?.memory, name).toBeDefined()
      if (name !== 'audit') expect(service.restart, name).toMatch(/^(unless-stopped|on-failure:5)$/)
      expect(service, name).toMatchObject({ cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] })
      expect([name, service.cap_add ?? []]).toEqual([name, kept[name] ?? []])
      // The start of Kafka's own image writes its settings beside its programs.
      expect([name, service.read_only ?? false]).toEqual([name, !name.startsWith('kafka')])
    }
    expect(all.secrets).toMatchObject({ user: '0:0', network_mode: 'none' })
  })

  it('mounts each secret where it is needed, and nowhere else', () => {
    const users: Record<string, string[]> = {}
    for (const [name, { volumes = [] }] of Object.entries(all)) {
      for (const { source = '', read_only: isReadOnly } of volumes) {
        if (!source.startsWith('secrets-')) continue
        if (name !== 'secrets') expect([name, source, isReadOnly]).toEqual([name, source, true])
        ;(users[source] ??= []).push(name)
      }
    }
    const needed: Readonly<Record<string, readonly string[]>> = {
      'secrets-sources': ['ingress', 'simulator'],
      'secrets-body-hash': ['ingress', 'replay'],
      'secrets-postgres': ['postgres'],
      'secrets-database-owner': ['database'],
      'secrets-database-writer': ['database', 'persistence'],
      'secrets-database-reader': ['audit', 'console', 'database'],
      'secrets-influx': ['influxdb'],
      'secrets-influx-token': ['audit', 'metric-export'],
      'secrets-console': ['console'],
      'secrets-replay': ['replay'],
    }
    const found = Object.entries(users).map(([volume, names]) => [
      volume,
      names.filter((name) => name !== 'secrets').toSorted(),
    ])
    expect(Object.fromEntries(found)).toEqual(needed)
    expect(Object.keys(users).filter((volume) => !users[volume]!.includes('secrets'))).toEqual([])
  })

  it('reads each secret from a folder that it mounts', () => {
    for (const [name, { environment = {}, volumes = [] }] of Object.entries(all)) {
      const files = Object.entries(environment).filter(
        ([env, file]) => env.endsWith('_FILE') && file?.startsWith('/run/'),
      )
      const mounted = volumes.map(({ target }) => target)
      const missing = files.filter(([, file]) => !mounted.some((target) => file!.startsWith(`${target}/`)))
      expect([name, missing]).toEqual([name, []])
    }
  })

  it('pins the images of servers, so that a tag which is moved changes nothing here', () => {
    const others = Object.entries({ ...all, ...scale }).filter(([, { image }]) => !image.startsWith('weir'))
    // Whoever can reach its registry pins this one too: nothing that can be reached here knows its digest.
    const loose = others.filter(([, { image }]) => !/:[\w.-]+@sha256:[0-9a-f]{64}$/.test(image))
    expect(loose.map(([name]) => name)).toEqual(['registry'])
    const renovate = JSON.parse(readFileSync(`${ROOT}/renovate.json`, 'utf8')) as { extends: string[] }
    expect(renovate.extends).toContain('docker:pinDigests')
  })

  it('gives dedup the memory without which it would not start', () => {
    const { environment, deploy } = core.dedup!
    const limit = Number(deploy!.resources!.limits!.memory)
    const spy = vi.spyOn(process, 'constrainedMemory').mockReturnValue(limit)
    const env = Object.entries(environment!).filter(([, value]) => value !== null)
    expect(() =>
      serviceOf('dedup').loadConfig(Object.fromEntries(env) as Record<string, string>),
    ).not.toThrow()
    spy.mockReturnValue(limit / 4)
    expect(() => serviceOf('dedup').loadConfig(Object.fromEntries(env) as Record<string, string>)).toThrow(
      'memory',
    )
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
    expect(Object.keys(scale)).toContain('proxy')
  })
})

describe('make-secrets.mjs', () => {
  const root = (): string => {
    const folder = mkdtempSync(join(tmpdir(), 'weir-secrets-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    return folder
  }
  const make = (folder: string): Promise<string> =>
    run(process.execPath, [`${ROOT}/deploy/container/make-secrets.mjs`, folder])
  const filesOf = (folder: string): readonly string[] =>
    (readdirSync(folder, { recursive: true }) as string[])
      .filter((name) => statSync(join(folder, name)).isFile())
      .toSorted()
  const texts = (folder: string): Readonly<Record<string, string>> =>
    Object.fromEntries(filesOf(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]))

  it('makes files for one reader each, once, with other secrets in every deployment', async () => {
    const folder = root()
    await make(folder)
    const first = texts(folder)
    for (const name of filesOf(folder))
      expect([name, statSync(join(folder, name)).mode & 0o777]).toEqual([name, 0o400])
    for (const name of readdirSync(folder))
      expect([name, statSync(join(folder, name)).mode & 0o777]).toEqual([name, 0o500])
    await make(folder)
    expect(texts(folder)).toEqual(first)
    const other = root()
    await make(other)
    const equal = Object.entries(texts(other)).filter(([name, text]) => first[name] === text)
    expect(equal).toEqual([])
    expect(first['influx-token/token']).toBe(first['influx/token'])
  })

  it('keeps what an earlier version has made, and takes it from those who do not need it', async () => {
    const folder = root()
    const before = {
      'sources/body-hash-key': 'hash',
      'postgres/password': 'pass',
      'postgres/database-url': 'url',
    }
    for (const [name, text] of Object.entries({ ...before, 'influx/token': 'token' })) {
      mkdirSync(dirname(join(folder, name)), { recursive: true })
      writeFileSync(join(folder, name), text, { mode: 0o444 })
    }
    await make(folder)
    const after = texts(folder)
    expect(after).toMatchObject({
      'body-hash/key': 'hash',
      'postgres/password': 'pass',
      'influx-token/token': 'token',
    })
    expect(after['database-owner/admin-url']).toBe('postgres://weir:pass@postgres:5432/weir')
    expect(Object.keys(after)).not.toEqual(expect.arrayContaining(['sources/body-hash-key']))
    expect(Object.keys(after)).not.toEqual(expect.arrayContaining(['postgres/database-url']))
    expect(statSync(join(folder, 'postgres/password')).mode & 0o777).toBe(0o400)
  })
})

describe('Dockerfile', () => {
  const read = (path: string): string => readFileSync(`${ROOT}/${path}`, 'utf8')

  it('has each folder of a volume: a volume gets its owner from there, and is root’s where there is none', () => {
    const mounted = [...read('docker-compose.yml').matchAll(/:(\/var\/lib\/weir\/[\w/-]+)/g)]
    const made = /mkdir -p ([^&]+)/.exec(read('Dockerfile'))![1]!.split(/[\s\\]+/)
    const folders = new Set(mounted.map(([, folder]) => folder!.replace('/var/lib/', '')))
    expect([...folders].filter((folder) => !made.includes(folder))).toEqual([])
    expect(folders.size).toBeGreaterThan(4)
  })

  it('has every service answer its probes where the health check asks', async () => {
    const [, own, port] = /const PORTS = \[Number\(process\.env\.(\w+) \|\| \d+\), (\d+)\]/.exec(
      read('deploy/container/healthy.mjs'),
    )!
    // Ingress has them on a port that strangers do not reach.
    const dockerfile = read('Dockerfile')
    expect(dockerfile).toMatch(new RegExp(` ${own}=(?!${port})\\d+`))
    const printed = await run(
      process.execPath,
      [
        '--input-type=module',
        '--eval',
        "await import('./deploy/container/ports.mjs'); console.log(JSON.stringify(process.env))",
      ],
      { cwd: ROOT, env: Object.fromEntries(ALL_SERVICES.map(({ name }) => [portVariable(name), undefined])) },
    )
    const set = JSON.parse(printed) as Readonly<Record<string, string>>
    for (const { name, settings } of ALL_SERVICES) {
      expect(Object.values(settings).map(({ env }) => env)).toContain(portVariable(name))
      expect([name, set[portVariable(name)]]).toEqual([name, port])
    }
    const published = read('docker-compose.yml').match(/:\d+'\]/g) ?? []
    expect(published).not.toContain(`:${/ INGRESS_PROBE_PORT=(\d+)/.exec(dockerfile)![1]!}']`)
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
