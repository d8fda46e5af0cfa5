import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import {
  folders as foldersOf,
  freePorts,
  fromEnvironment,
  ROOT,
  startProcess,
  waitUntilReady,
  weirHome,
} from '@weir/local-stack'

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
  'REPLAY_PORT',
] as const
export type PortName = (typeof PORTS)[number]
const READY_MS_MAX = 300_000
const COMMAND_MS_MAX = 30_000

/** Who else is on the machine: nobody, whom other programs use too, and an account that Weir has never heard of. */
export const OTHER_USERS = [65_534, 12_345] as const
/** Only root can be somebody else for a moment. */
export const canBeOthers = process.getuid?.() === 0 && process.platform === 'linux'

const execute = promisify(execFile)

/** What a command prints when another user runs it, whatever its exit code. */
export const asOther = async (user: number, command: string, args: readonly string[]): Promise<string> => {
  const options = {
    uid: user,
    gid: user,
    cwd: '/',
    env: { PATH: fromEnvironment('PATH') },
    timeout: COMMAND_MS_MAX,
  }
  try {
    return (await execute(command, [...args], options)).stdout
  } catch (error) {
    return (error as { stdout?: string }).stdout ?? ''
  }
}

interface Child {
  readonly name: string
  readonly pid: number
}

/** An `npm start` whose environment has a canary in every secret that it could be given. */
export interface LocalRun {
  readonly home: string
  readonly canary: string
  readonly ports: Readonly<Record<PortName, number>>
  /** Its servers. */
  readonly children: readonly Child[]
  /** What it leaves for its owner: settings with addresses and tokens. */
  readonly settings: Readonly<Record<string, string>>
  /** Of PostgreSQL's superuser. */
  readonly adminUrl: string
  /** Addresses and ports on which it or one of its servers listens. */
  listening(): readonly string[]
  stop(): Promise<void>
}

export const startLocalRun = async (under: string): Promise<LocalRun> => {
  const home = join(weirHome(), under, 'start')
  mkdirSync(home, { recursive: true })
  for (const name of ['downloads', 'tools']) symlinkSync(join(weirHome(), name), join(home, name))
  const free = await freePorts(PORTS.length)
  const ports = Object.fromEntries(PORTS.map((name, i) => [name, free[i]])) as Record<PortName, number>
  const canary = `canary-${randomBytes(8).toString('hex')}`
  const { logs, run, state } = foldersOf(home)
  const main = startProcess(foldersOf(weirHome(), under).run, {
    name: 'npm-start',
    command: process.execPath,
    args: [join(ROOT, 'cli/src/main.ts'), 'start', '--no-simulator'],
    cwd: ROOT,
    env: {
      WEIR_HOME: home,
      ...Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, String(port)])),
      SOURCE_NICE_SECRETS: canary,
      AWS_SECRET_ACCESS_KEY: canary,
      GITHUB_TOKEN: canary,
      PGPASSWORD: canary,
      CXONE_CLIENT_SECRET: canary,
      SOURCE_ACME_TOKEN: canary,
    },
    logFile: join(logs, 'npm-start.log'),
    stopMsMax: 60_000,
  })
  const announced = join(run, 'environment.json')
  await waitUntilReady(main, () => Promise.resolve(existsSync(announced)), READY_MS_MAX)
  // It is not waited for by the services.
  const isInfluxThere = async (): Promise<boolean> =>
    (await fetch(`http://127.0.0.1:${ports.INFLUX_PORT}/ping`)).status > 0
  await waitUntilReady(main, isInfluxThere, READY_MS_MAX)
  const { environment } = JSON.parse(readFileSync(announced, 'utf8')) as {
    environment: Record<string, string>
  }
  const children = readdirSync(run)
    .filter((name) => name.endsWith('.pid'))
    .map((name) => JSON.parse(readFileSync(join(run, name), 'utf8')) as Child)
  const admin = new URL(environment.DATABASE_URL!)
  admin.username = 'weir'
  admin.password = readFileSync(`${state}-database.password`, 'utf8')
  return {
    home,
    canary,
    ports,
    children,
    settings: environment,
    adminUrl: admin.href,
    listening: () => [main.pid, ...children.map(({ pid }) => pid)].flatMap(listeningOf),
    stop: () => main.stop(),
  }
}

const LISTEN = '0A'

/** From the kernel's tables: addresses are hexadecimal, their bytes in the order of this processor. */
const listeningOf = (pid: number): readonly string[] => {
  const sockets = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? []
      } catch {
        return []
      }
    }),
  )
  return ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'latin1')
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === LISTEN && sockets.has(fields[9]!))
      .map((fields) => fields[1]!),
  )
}
