import { chmodSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { withLock } from './processes/lock.ts'

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

/** Where everything lives that is not in the repository; may be deleted at any time while nothing runs. */
export interface Folders {
  readonly home: string
  /** What was fetched or built; never changes once it is there. */
  readonly downloads: string
  /** The servers' data. */
  readonly state: string
  readonly logs: string
  /** Pid files and the lock of the run. */
  readonly run: string
}

/** `under`: a subfolder with state of its own; downloads are shared. */
export const folders = (home: string, under = '.'): Folders => ({
  home,
  downloads: join(home, 'downloads'),
  state: join(home, under, 'state'),
  logs: join(home, under, 'logs'),
  run: join(home, under, 'run'),
})

/** A folder that only its owner may look into, whether it is new or was there. */
export const ensurePrivate = (folder: string): void => {
  // Not with the mode for all: those above may be anybody's.
  mkdirSync(dirname(folder), { recursive: true })
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
}

/** PostgreSQL's data, beside the state: root runs it as another user, who may not enter that. */
export const databaseFolder = ({ state }: Pick<Folders, 'state'>): string => `${state}-database`

/** The servers' data and what Weir keeps with it. */
export const deleteState = (folders: Pick<Folders, 'state'>): void => {
  const database = databaseFolder(folders)
  for (const path of [folders.state, database, passwordFile(database)]) {
    rmSync(path, { recursive: true, force: true })
  }
}

/** Of PostgreSQL's superuser. */
export const passwordFile = (database: string): string => `${database}.password`

/** Fills a folder once and for all: under a lock, into a temporary name, renamed when it is complete. */
export const ensureFolder = async (
  folder: string,
  fill: (temporary: string) => Promise<void>,
): Promise<void> => {
  if (existsSync(folder)) return
  await withLock(`${folder}.lock`, async () => {
    if (existsSync(folder)) return
    const temporary = `${folder}.tmp`
    rmSync(temporary, { recursive: true, force: true })
    mkdirSync(temporary, { recursive: true })
    await fill(temporary)
    mkdirSync(dirname(folder), { recursive: true })
    renameSync(temporary, folder)
  })
}
