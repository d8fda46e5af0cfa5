import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** Another process uses the folder. */
export class FolderLockedError extends Error {
  override readonly name = 'FolderLockedError'
}

const SQLITE_BUSY = 5

/**
 * Locks a folder against every other process until the returned function is called or this process ends, however it
 * ends. The lock belongs to the operating system (on a SQLite file, because Node offers no other way), so it also
 * holds between containers that share a volume, and a killed process leaves nothing behind. Throws a
 * `FolderLockedError`.
 */
export const lockFolder = (folder: string): (() => void) => {
  mkdirSync(folder, { recursive: true })
  const lock = new DatabaseSync(join(folder, 'lock'))
  try {
    lock.exec('PRAGMA journal_mode=MEMORY; PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (error) {
    lock.close()
    if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw error
    throw new FolderLockedError(`${folder} is in use by another process`, { cause: error })
  }
  return () => lock.close()
}
