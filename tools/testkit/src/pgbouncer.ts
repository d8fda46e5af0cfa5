import { execFile } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import {
  ensureFolder,
  folders as foldersOf,
  freePorts,
  startProcess,
  waitUntilReady,
  weirHome,
} from '@weir/local-stack'
import { isolatedFolders } from './environment.ts'

export interface PgBouncer {
  /** URL of the database through the pooler. */
  readonly databaseUrl: string
  stop(): Promise<void>
}

const execute = promisify(execFile)
const APT_MS_MAX = 120_000
const NOBODY = 65_534

/** Unpacked under WEIR_HOME instead of installed, which would need root. */
const fetched = async (): Promise<string> => {
  const folder = join(foldersOf(weirHome()).downloads, 'pgbouncer')
  await ensureFolder(folder, async (temporary) => {
    const options = { cwd: temporary, timeout: APT_MS_MAX }
    // As root apt would download as a user who may not write here.
    const names = ['pgbouncer', 'libc-ares2', 'libevent-2.1-7']
    await execute('apt-get', ['download', '-o', 'APT::Sandbox::User=root', ...names], options)
    for (const name of readdirSync(temporary).filter((one) => one.endsWith('.deb'))) {
      await execute('dpkg-deb', ['-x', name, '.'], options)
    }
    await execute('find', ['.', '-type', 'd', '-exec', 'chmod', 'a+rx', '{}', '+'], options)
  })
  return folder
}

/** The program and its libraries, or the reason why there is none. */
export const findPgBouncer = async (): Promise<
  { readonly command: string; readonly libraries?: string } | string
> => {
  if (existsSync('/usr/sbin/pgbouncer')) return { command: '/usr/sbin/pgbouncer' }
  try {
    const folder = await fetched()
    const lib = join(folder, 'usr/lib')
    const [architecture = ''] = readdirSync(lib).filter((name) => name.includes('linux'))
    return { command: join(folder, 'usr/sbin/pgbouncer'), libraries: join(lib, architecture) }
  } catch (error) {
    return `PgBouncer could not be had from Debian: ${(error as Error).message.split('\n')[0]}`
  }
}

/** Starts a PgBouncer found by `findPgBouncer` in transaction mode, in front of a database. */
export const startPgBouncer = async (
  databaseUrl: string,
  program: Exclude<Awaited<ReturnType<typeof findPgBouncer>>, string>,
): Promise<PgBouncer> => {
  const { hostname, port: serverPort, username, password } = new URL(databaseUrl)
  const folders = isolatedFolders('pgbouncer')
  const [port] = (await freePorts(1)) as [number]
  // Not below the state, which is for its owner alone.
  const settings = mkdtempSync(join(tmpdir(), 'weir-pgbouncer-'))
  const users = join(settings, 'users.txt')
  const file = join(settings, 'pgbouncer.ini')
  writeFileSync(users, `"${username}" "${password}"\n`)
  writeFileSync(
    file,
    [
      '[databases]',
      `* = host=${hostname} port=${serverPort}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'pool_mode = transaction',
      // All clients share one server session, so that each meets whatever the previous one left in it.
      'auth_type = plain',
      `auth_file = ${users}`,
      'default_pool_size = 1',
      'max_client_conn = 50',
      'log_connections = 0',
      'log_disconnections = 0',
    ].join('\n'),
  )
  const isRoot = process.getuid?.() === 0
  if (isRoot) for (const one of [users, file, settings]) chownSync(one, NOBODY, NOBODY)
  const child = startProcess(folders.run, {
    name: 'pgbouncer',
    command: program.command,
    args: [file],
    cwd: '/',
    logFile: join(folders.logs, 'pgbouncer.log'),
    ...(program.libraries !== undefined && { env: { LD_LIBRARY_PATH: program.libraries } }),
    // PgBouncer refuses to run as root.
    ...(isRoot && { uid: NOBODY, gid: NOBODY }),
  })
  await waitUntilReady(child, () => isOpen(port), 20_000)
  const url = new URL(databaseUrl)
  url.host = `127.0.0.1:${port}`
  const stop = async (): Promise<void> => {
    await child.stop()
    rmSync(settings, { recursive: true })
  }
  return { databaseUrl: url.href, stop }
}

const isOpen = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
