import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { identify, isAlive, type ProcessIdentity } from './identity.ts'

const read = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

const create = (file: string): boolean => {
  const mine = `${file}.${process.pid}`
  writeFileSync(mine, JSON.stringify(identify(process.pid)))
  try {
    linkSync(mine, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return false
  } finally {
    rmSync(mine, { force: true })
  }
}

/** Takes a dead holder's file away; should a live one have come in between, its file is put back. */
const clear = (file: string, stale: string): void => {
  const aside = `${file}.stale-${process.pid}`
  try {
    renameSync(file, aside)
    if (read(aside) !== stale) linkSync(aside, file)
  } catch (error) {
    if (!['ENOENT', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  } finally {
    rmSync(aside, { force: true })
  }
}

/**
 * Holds the lock file until the returned function is called or this process ends, however it ends.
 * Returns the holder's process id when a live process has it.
 */
export const tryLock = (file: string): (() => void) | number => {
  mkdirSync(dirname(file), { recursive: true })
  for (;;) {
    if (create(file)) return () => rmSync(file, { force: true })
    const text = read(file)
    if (text === undefined) continue
    const holder = JSON.parse(text) as ProcessIdentity
    if (isAlive(holder)) return holder.pid
    clear(file, text)
  }
}

/** Runs `action` while no other process of this machine runs one under the same file. */
export const withLock = async <T>(file: string, action: () => Promise<T>): Promise<T> => {
  let release = tryLock(file)
  while (typeof release === 'number') {
    await sleep(200)
    release = tryLock(file)
  }
  try {
    return await action()
  } finally {
    release()
  }
}
