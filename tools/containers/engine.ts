import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  cacheFolder,
  childEnvironment,
  isRunning,
  programFolders,
  tryLock,
} from '../local-stack/src/index.ts'
import { extractPackages, hasApt } from './debian.ts'
import { ensureCached } from './cache.ts'
import { outputOf } from './run.ts'

/** A Docker engine that answers. */
export interface Engine {
  /** False: the caller's own, which can pull images. True: one of ours, which has none but those built here. */
  readonly isOurs: boolean
  /** For `docker` and Compose, so that they find it and its client. */
  readonly env: Readonly<Record<string, string>>
  /** Ends one of ours and every container in it, whatever state they are in. */
  stop(): Promise<void>
}

/** And the id of the process that it ends with. */
const FOLDER = 'weir-engine-'
const START_MS_MAX = 60_000
const STOP_MS_MAX = 30_000
/** Of what builds keep for the next ones. */
const BUILD_CACHE_MAX = '6GB'

/** Debian's engine, unpacked into the cache: nothing is installed on this machine. */
const unpackEngine = async (): Promise<string> => {
  const folder = await ensureCached('docker-engine-debian', (temporary) =>
    extractPackages({ names: ['docker.io'], folder: temporary, isWholeSystem: false }),
  )
  for (const name of ['iptables', 'ip6tables']) {
    const link = join(folder, 'usr/sbin', name)
    if (!existsSync(link)) await symlink('xtables-nft-multi', link)
  }
  return folder
}

/** The caller's engine, else one of ours; a text says why neither can be. */
export const startEngine = async (): Promise<Engine | string> => {
  if ((await outputOf('docker', ['info', '--format', '{{.ID}}'])) !== undefined) {
    return { isOurs: false, env: {}, stop: () => Promise.resolve() }
  }
  if (process.platform !== 'linux') return 'no Docker engine answers'
  if (process.getuid?.() !== 0) return 'no Docker engine answers, and only root can start one'
  if (!(await hasApt())) return 'no Docker engine answers, and without apt none can be got'
  try {
    return await startOurs(await unpackEngine())
  } catch (error) {
    return `a Docker engine could not be started: ${(error as Error).message}`
  }
}

/**
 * Where images and what builds keep outlive the engine; one engine at a time. Another has a folder that ends with it.
 */
const takeStorage = (temporary: string): { readonly folder: string; readonly release: () => void } => {
  const lock = tryLock(join(cacheFolder(), 'engine.lock'))
  return typeof lock === 'number'
    ? { folder: join(temporary, 'data'), release: () => undefined }
    : { folder: join(cacheFolder(), 'engine'), release: lock }
}

const startOurs = async (root: string): Promise<Engine> => {
  for (const left of readdirSync(tmpdir()).filter((name) => name.startsWith(FOLDER))) {
    if (isRunning(Number(left.slice(FOLDER.length).split('-')[0]))) continue
    rmSync(join(tmpdir(), left), { recursive: true, force: true })
  }
  const folder = await mkdtemp(join(tmpdir(), `${FOLDER}${process.pid}-`))
  const storage = takeStorage(folder)
  const libraries = join(root, 'usr/lib', 'x86_64-linux-gnu')
  const path = [join(root, 'usr/sbin'), join(root, 'usr/bin'), ...programFolders()].join(delimiter)
  const socket = join(folder, 'docker.sock')
  const logFile = join(folder, 'dockerd.log')
  const log = openSync(logFile, 'a')
  await mkdir(join(folder, 'config'))
  const child = spawn(
    'setpriv',
    [
      // Ends with us, whatever ends us.
      '--pdeathsig',
      'KILL',
      // The first process of its own world: when it ends, so do all containers, and no mount is left behind.
      'unshare',
      '--pid',
      '--mount',
      '--fork',
      '--mount-proc',
      '--kill-child=KILL',
      join(root, 'usr/sbin/dockerd'),
      '--data-root',
      storage.folder,
      '--exec-root',
      join(folder, 'exec'),
      '--pidfile',
      join(folder, 'docker.pid'),
      '--host',
      `unix://${socket}`,
      // Containers of one network reach each other over their bridge, and the host reaches them through
      // docker-proxy: this machine's firewall and routing stay as they are.
      '--bridge=none',
      '--iptables=false',
      '--ip6tables=false',
      '--ip-masq=false',
      '--ip-forward=false',
    ],
    {
      detached: true,
      stdio: ['ignore', log, log],
      env: childEnvironment(
        { PATH: path, LD_LIBRARY_PATH: libraries, XTABLES_LIBDIR: join(libraries, 'xtables') },
        true,
      ),
    },
  )
  closeSync(log)
  const ended = once(child, 'exit').catch(() => undefined)
  const hasEnded = () => child.pid === undefined || child.exitCode !== null || child.signalCode !== null
  const env = {
    PATH: path,
    DOCKER_HOST: `unix://${socket}`,
    DOCKER_BUILDKIT: '1',
    // Nothing of the user's configuration: no contexts, no credentials, no plug-ins of other versions.
    DOCKER_CONFIG: join(folder, 'config'),
  }
  const stop = async (): Promise<void> => {
    if (!hasEnded()) {
      await removeContainers(env)
      await dropUnusedImages(env)
      // As an operator stops it, so that its storage is whole: the child is `unshare`, and dockerd is its child.
      const [dockerd] = childrenOf(child.pid!)
      if (dockerd !== undefined) process.kill(dockerd, 'SIGTERM')
    }
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX)
    await ended
    clearTimeout(timer)
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    storage.release()
  }
  const deadline = performance.now() + START_MS_MAX
  while ((await outputOf('docker', ['info', '--format', '{{.ID}}'], { env })) === undefined) {
    if (hasEnded() || performance.now() > deadline) {
      const last = readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-5).join('\n')
      await stop()
      throw new Error(`dockerd does not answer:\n${last}`)
    }
    await sleep(200)
  }
  // What an engine that was killed has left: nobody else uses this storage.
  await removeContainers(env)
  return { isOurs: true, env, stop }
}

type Env = Readonly<Record<string, string>>

/** With their volumes and networks. Whatever cannot be removed ends with the engine. */
const removeContainers = async (env: Env): Promise<void> => {
  const ids = ((await outputOf('docker', ['ps', '--all', '--quiet'], { env })) ?? '')
    .split('\n')
    .filter(Boolean)
  if (ids.length > 0) await outputOf('docker', ['rm', '--force', '--volumes', ...ids], { env })
  await outputOf('docker', ['network', 'prune', '--force'], { env })
  const named = ((await outputOf('docker', ['volume', 'ls', '--quiet'], { env })) ?? '')
    .split('\n')
    .filter(Boolean)
  if (named.length > 0) await outputOf('docker', ['volume', 'rm', '--force', ...named], { env })
}

/** Older builds that no name points to any more. */
const dropUnusedImages = async (env: Env): Promise<void> => {
  await outputOf('docker', ['image', 'prune', '--force'], { env })
  await outputOf('docker', ['builder', 'prune', '--force', '--keep-storage', BUILD_CACHE_MAX], { env })
}

const childrenOf = (pid: number): readonly number[] => {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .trim()
      .split(' ')
      .filter(Boolean)
      .map(Number)
  } catch {
    return []
  }
}
