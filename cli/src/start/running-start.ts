import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  ensurePrivate,
  folders as foldersOf,
  identify,
  isAlive,
  weirHome,
  type Folders,
  type ProcessIdentity,
} from '@weir/local-stack'
import type { Environment } from '@weir/runtime'

/**
 * Data that `npm start` leaves for the `weir` command while it runs. It holds secrets, so only its owner may read it.
 */
interface RunningStart {
  readonly process: ProcessIdentity
  readonly environment: Environment
}

const fileOf = ({ run }: Pick<Folders, 'run'>): string => join(run, 'environment.json')

/** Settings that name servers. An environment with other values means another deployment. */
const SERVERS = ['KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL', 'DATABASE_URL', 'INFLUX_URL', 'REPLAY_URL']

/** For people: the console's API with curl, and the rows with psql. */
interface OwnClients {
  readonly consoleToken: string
  readonly databaseReaderUrl: string
}

/** Files that keep passwords out of process lists, which show every argument to every user. */
const clientFiles = ({ consoleToken, databaseReaderUrl }: OwnClients): Readonly<Record<string, string>> => {
  const { hostname, port, username, password, pathname } = new URL(databaseReaderUrl)
  const service = {
    host: hostname,
    port: port || '5432',
    dbname: decodeURIComponent(pathname.slice(1)),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
  }
  const lines = Object.entries(service).map(([name, value]) => `${name}=${value}\n`)
  return {
    'console-headers': `Authorization: Bearer ${consoleToken}\n`,
    'pg_service.conf': `[weir]\n${lines.join('')}`,
  }
}

const writePrivate = (file: string, text: string): void => {
  const temporary = `${file}.${process.pid}`
  rmSync(temporary, { force: true })
  writeFileSync(temporary, text, { mode: 0o600, flag: 'wx' })
  renameSync(temporary, file)
}

/** Lets people and the `weir` command find this run until the returned function is called, or this process ends. */
export const announceStart = (
  folders: Pick<Folders, 'run'>,
  environment: Environment,
  clients?: OwnClients,
): (() => void) => {
  const file = fileOf(folders)
  const self = identify(process.pid)
  if (self === undefined) return () => undefined
  const running: RunningStart = { process: self, environment }
  ensurePrivate(folders.run)
  const files = { [file]: JSON.stringify(running) }
  for (const [name, text] of Object.entries(clients ? clientFiles(clients) : {})) {
    files[join(folders.run, name)] = text
  }
  for (const [path, text] of Object.entries(files)) writePrivate(path, text)
  return () => {
    for (const path of Object.keys(files)) rmSync(path, { force: true })
  }
}

/**
 * The settings of the `npm start` that runs in this WEIR_HOME; undefined when none runs, or when `env` names other
 * servers.
 */
export const runningStart = (
  env: Environment,
  folders: Pick<Folders, 'run'> = foldersOf(weirHome(env)),
): Environment | undefined => {
  let found: RunningStart
  try {
    found = JSON.parse(readFileSync(fileOf(folders), 'utf8')) as RunningStart
  } catch {
    return undefined
  }
  if (!isAlive(found.process)) return undefined
  const names = SERVERS.flatMap((name) => [name, `${name}_FILE`])
  const isOther = names.some((name) => (env[name] ?? '') !== '' && env[name] !== found.environment[name])
  return isOther ? undefined : found.environment
}
