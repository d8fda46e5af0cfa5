import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import {
  folders as foldersOf,
  identify,
  isAlive,
  weirHome,
  type Folders,
  type ProcessIdentity,
} from '@weir/local-stack'
import type { Environment } from '@weir/service-kit'

/** What `npm start` leaves for the `weir` command while it runs. Holds secrets: only its owner may read it. */
interface RunningStart {
  readonly process: ProcessIdentity
  readonly environment: Environment
}

const fileOf = ({ run }: Pick<Folders, 'run'>): string => join(run, 'environment.json')

/** Those that name servers. An environment that names others means another deployment. */
const SERVERS = ['KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL', 'DATABASE_URL', 'INFLUX_URL', 'REPLAY_URL']

/** Lets the `weir` command find this run until the returned function is called, or this process ends. */
export const announceStart = (folders: Pick<Folders, 'run'>, environment: Environment): (() => void) => {
  const file = fileOf(folders)
  const self = identify(process.pid)
  if (self === undefined) return () => undefined
  const running: RunningStart = { process: self, environment }
  mkdirSync(dirname(file), { recursive: true })
  const temporary = `${file}.${process.pid}`
  rmSync(temporary, { force: true })
  writeFileSync(temporary, JSON.stringify(running), { mode: 0o600, flag: 'wx' })
  renameSync(temporary, file)
  return () => rmSync(file, { force: true })
}

/** The settings of the `npm start` that runs in this WEIR_HOME; undefined without one, or when `env` names other servers. */
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
