import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import {
  deleteState,
  type Folders,
  folders as foldersOf,
  fromEnvironment,
  isRunning,
  ROOT,
  stopLeftovers,
  stopOwn,
  weirHome,
} from '@weir/local-stack'
import type { TestProject } from 'vitest/node'
import { containersMissing, startContainerServers } from './containers/environment.ts'
import type { TestServers } from './environment.ts'
import { startLocalServers } from './local-servers.ts'

const progress = (text: string): void => {
  process.stderr.write(`${text}\n`)
}

interface Shared {
  users: number
  readonly opened: Promise<Opened>
  readonly folders: Folders
}

interface Opened {
  readonly servers: TestServers
  stop(): Promise<void>
}

declare global {
  var weirTestServers: Shared | undefined
}

/** Gives the tests their servers; those that it starts end with the run. Projects of one run share them. */
export default async (project: TestProject): Promise<() => Promise<void>> => {
  const shared = (globalThis.weirTestServers ??= open())
  shared.users += 1
  const close = async (hasFailed: boolean): Promise<void> => {
    shared.users -= 1
    if (shared.users > 0) return
    globalThis.weirTestServers = undefined
    await shared.opened.then(
      (opened) => opened.stop(),
      () => undefined,
    )
    await stopOwn(shared.folders.run, STOP_MS_MAX)
    removeRun(shared.folders, hasFailed)
  }
  try {
    project.provide('weirServers', (await shared.opened).servers)
    return () => close(project.vitest.state.getCountOfFailedTests() > 0)
  } catch (error) {
    await close(true)
    throw error
  }
}

const NAME = 'test-'
/** Kafka would take longer to hand over its partitions, and its data is deleted anyway. */
const STOP_MS_MAX = 2_000

/** Leaves nothing behind; after a failure the logs stay until the next run. */
const removeRun = (folders: Folders, hasFailed: boolean): void => {
  deleteState(folders)
  if (hasFailed) progress(`Logs of the servers: ${folders.logs}`)
  else rmSync(dirname(folders.run), { recursive: true, force: true })
}

const open = (): Shared => {
  const home = weirHome()
  const under = `${NAME}${process.pid}`
  const folders = foldersOf(home, under)
  const opened = removeOldRuns(home).then(() => start(folders, under))
  opened.catch(() => undefined)
  return { users: 0, opened, folders }
}

const removeOldRuns = async (home: string): Promise<void> => {
  mkdirSync(home, { recursive: true })
  const names = readdirSync(home).filter((name) => name.startsWith(NAME))
  for (const name of names) {
    if (isRunning(Number(name.slice(NAME.length)))) continue
    await stopLeftovers(foldersOf(home, name).run)
    rmSync(join(home, name), { recursive: true, force: true })
  }
}

const ENVIRONMENTS = ['given', 'containers', 'processes'] as const
type Environment = (typeof ENVIRONMENTS)[number]
const GIVEN = ['KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL', 'DATABASE_URL'] as const

/** The one that TEST_ENVIRONMENT forces, else the best that works: a word that is said aloud. */
const chooseEnvironment = async (): Promise<Environment> => {
  const forced = fromEnvironment('TEST_ENVIRONMENT')
  const lacking = GIVEN.filter((name) => fromEnvironment(name) === undefined)
  if (forced !== undefined) {
    const environment = ENVIRONMENTS.find((name) => name === forced)
    if (environment === undefined) {
      throw new Error(`TEST_ENVIRONMENT is ${forced}, and must be one of ${ENVIRONMENTS.join(', ')}`)
    }
    if (environment === 'given' && lacking.length > 0) {
      throw new Error(`TEST_ENVIRONMENT is given, and ${lacking.join(', ')} must be set`)
    }
    const missing = environment === 'containers' ? await containersMissing(progress) : undefined
    if (missing !== undefined) throw new Error(`TEST_ENVIRONMENT is containers, and ${missing}`)
    progress(`Tests run on: ${environment}, as TEST_ENVIRONMENT says`)
    return environment
  }
  if (lacking.length < GIVEN.length) {
    progress('Tests run on: given servers, as the environment names some')
    return 'given'
  }
  const missing = await containersMissing(progress)
  if (missing === undefined) {
    progress('Tests run on: containers, as a Docker engine answers and has the images')
    return 'containers'
  }
  progress(`Tests run on: processes of this machine, as ${missing}`)
  return 'processes'
}

const start = async (folders: Folders, under: string): Promise<Opened> => {
  if ((await chooseEnvironment()) === 'containers') {
    const containers = await startContainerServers(folders, progress)
    return { servers: { ...containers.servers, under }, stop: () => containers.stop() }
  }
  if (!existsSync(join(ROOT, 'services'))) {
    throw new Error('there is no clone of Weir beside the testkit: services can only run in containers')
  }
  const servers = await startLocalServers(folders, progress)
  return { servers: { ...servers, under }, stop: () => Promise.resolve() }
}
