import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { extractPackages, hasApt } from './debian.ts'
import { ensureCached } from './cache.ts'
import { outputOf } from './run.ts'

/** A Docker engine that answers. */
export interface Engine {
  /** False: the caller's own, which can pull images. True: one of ours, which has none but those built here. */
  readonly isOurs: boolean
  /** For `docker` and Compose, so that they find it and its client. */
  readonly env: Readonly<Record<string, string>>
  stop(): Promise<void>
}

const START_MS_MAX = 60_000
const STOP_MS_MAX = 30_000

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

/** The caller's engine, else one of ours in a temporary folder; a text says why neither can be. */
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

const startOurs = async (root: string): Promise<Engine> => {
  const folder = await mkdtemp(join(tmpdir(), 'weir-engine-'))
  const libraries = join(root, 'usr/lib', 'x86_64-linux-gnu')
  const path = [join(root, 'usr/sbin'), join(root, 'usr/bin'), process.env.PATH ?? ''].join(delimiter)
  const socket = join(folder, 'docker.sock')
  const logFile = join(folder, 'dockerd.log')
  const log = openSync(logFile, 'a')
  await mkdir(join(folder, 'config'))
  const child = spawn(
    'setpriv',
    [
      // Ends with us, whatever ends us.
      ...['--pdeathsig', 'TERM', join(root, 'usr/sbin/dockerd')],
      ...['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')],
      ...['--pidfile', join(folder, 'docker.pid'), '--host', `unix://${socket}`],
      // Containers of one network reach each other over their bridge, and the host reaches them through
      // docker-proxy: this machine's firewall and routing stay as they are.
      ...['--bridge=none', '--iptables=false', '--ip6tables=false', '--ip-masq=false', '--ip-forward=false'],
    ],
    {
      detached: true,
      stdio: ['ignore', log, log],
      env: {
        ...process.env,
        PATH: path,
        LD_LIBRARY_PATH: libraries,
        XTABLES_LIBDIR: join(libraries, 'xtables'),
      },
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
    if (!hasEnded()) child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX)
    await ended
    clearTimeout(timer)
    // Only a killed engine leaves any.
    for (const mount of await mountsUnder(folder)) await outputOf('umount', ['--lazy', mount])
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
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
  return { isOurs: true, env, stop }
}

/** The innermost first. */
const mountsUnder = async (folder: string): Promise<readonly string[]> =>
  (await readFile('/proc/mounts', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((mount) => mount.startsWith(`${folder}/`))
    .reverse()
