import { createHash } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { databaseFolder, ensureFolder, type Folders } from '../folders.ts'

/**
 * As whom root runs PostgreSQL, which refuses to be root. No account has this number: it lies between systemd's dynamic
 * users and nobody.
 */
export const DATABASE_USER = 65_522
/** For the first seconds of new data: initdb wants a user that has a name. */
export const NOBODY = 65_534
/** For what that user cannot reach where it is, such as a clone in /root. */
const OUTSIDE = '/var/lib/weir'

export const isRoot = (): boolean => process.getuid?.() === 0

const mayAllEnter = (folder: string): boolean => {
  for (let one = folder; one !== dirname(one); one = dirname(one)) {
    if ((statSync(one).mode & 0o001) === 0) return false
  }
  return true
}

const linkAt = (path: string): string | undefined => {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  return stat?.isSymbolicLink() ? readlinkSync(path) : undefined
}

const nameOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16)

/** Every file below it too; a link itself, not what it names. */
export const giveAll = (folder: string, user: number): void => {
  if (!isRoot() || statSync(folder).uid === user) return
  for (const name of readdirSync(folder, { recursive: true }) as string[]) {
    lchownSync(join(folder, name), user, user)
  }
  // Last, because its owner says that all of it was given.
  lchownSync(folder, user, user)
}

const move = (from: string, to: string): void => {
  try {
    renameSync(from, to)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error
    cpSync(from, to, { recursive: true, verbatimSymlinks: true })
    rmSync(from, { recursive: true })
  }
}

/** Data of states that were deleted since. */
const removeOrphans = (): void => {
  for (const name of readdirSync(OUTSIDE)) {
    const note = join(OUTSIDE, name, 'of')
    if (existsSync(note) && linkAt(readFileSync(note, 'utf8')) !== join(OUTSIDE, name, 'data')) {
      rmSync(join(OUTSIDE, name), { recursive: true, force: true })
    }
  }
}

/** Where the data of these folders is or will be. It may be elsewhere, and then a link leads there. */
export const placeData = (folders: Folders): string => {
  const folder = databaseFolder(folders)
  mkdirSync(dirname(folder), { recursive: true })
  const place = !isRoot() || mayAllEnter(realpathSync(dirname(folder))) ? folder : placeOutside(folder)
  // Where it was before the state was for root alone.
  const former = join(folders.state, 'postgres')
  if (existsSync(former) && !existsSync(place)) move(former, place)
  return place
}

const placeOutside = (folder: string): string => {
  const home = join(OUTSIDE, nameOf(folder))
  const data = join(home, 'data')
  if (linkAt(folder) === data) return data
  if (existsSync(folder)) {
    throw new Error(
      `PostgreSQL does not run as root, and its user ${DATABASE_USER} may not enter the folders above ${folder}, where its data is: let all users enter them (chmod o+x), or start with --fresh`,
    )
  }
  try {
    mkdirSync(OUTSIDE, { recursive: true, mode: 0o711 })
    removeOrphans()
    rmSync(home, { recursive: true, force: true })
    mkdirSync(home, { mode: 0o711 })
    writeFileSync(join(home, 'of'), folder, { mode: 0o600 })
  } catch (error) {
    throw new Error(
      `PostgreSQL does not run as root, its user ${DATABASE_USER} may not enter the folders above ${folder}, and ${OUTSIDE} cannot be used (${(error as Error).message}): set WEIR_HOME to a folder that all users may enter`,
    )
  }
  symlinkSync(data, folder)
  return data
}

const mayAllRun = (program: string): boolean =>
  (statSync(program).mode & 0o005) === 0o005 && mayAllEnter(realpathSync(dirname(program)))

/**
 * The folder of PostgreSQL's programs, or a copy of it where its user may not run those. `native` has bin, lib and
 * share.
 */
export const placePrograms = async (native: string): Promise<string> => {
  if (!isRoot() || mayAllRun(join(native, 'bin', 'postgres'))) return native
  const copy = join(OUTSIDE, `postgresql-${nameOf(realpathSync(native))}`)
  await ensureFolder(copy, (temporary) => {
    cpSync(native, temporary, { recursive: true, verbatimSymlinks: true })
    for (const name of ['.', ...(readdirSync(temporary, { recursive: true }) as string[])]) {
      const path = join(temporary, name)
      const stat = lstatSync(path)
      if (stat.isSymbolicLink()) continue
      chmodSync(path, stat.isDirectory() || (stat.mode & 0o100) !== 0 ? 0o755 : 0o644)
    }
    return Promise.resolve()
  })
  return copy
}
