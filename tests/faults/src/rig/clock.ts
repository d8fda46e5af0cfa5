import { spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder, type Folders } from '@weir/local-stack'

/** The clock of one process, by libfaketime: the time of day steps, and timers go on as they were. */
export interface SteppedClock {
  readonly env: Readonly<Record<string, string>>
  /** How far it is from the true time. */
  set(ms: number): void
}

const INSTALLED = '/usr/lib/*/faketime/libfaketime.so.1'

/** As the package puts it there, or as this user has unpacked it; a text: why there is none. */
const findLibrary = (): { readonly file: string } | string => {
  const installed = globSync(INSTALLED)[0]
  if (installed !== undefined) return { file: installed }
  const folder = join(cacheFolder(), 'faketime')
  mkdirSync(folder, { recursive: true })
  const found = (): string | undefined => globSync(join(folder, INSTALLED))[0]
  const cached = found()
  if (cached !== undefined) return { file: cached }
  const got = spawnSync('apt-get', ['download', 'libfaketime'], { cwd: folder, encoding: 'utf8' })
  const archive = readdirSync(folder).find((name) => name.endsWith('.deb'))
  if (got.status !== 0 || archive === undefined) {
    return `no libfaketime: it is not installed, and apt-get download says ${JSON.stringify((got.error === undefined ? got.stderr : got.error.message).trim().slice(0, 200))}`
  }
  const unpacked = spawnSync('dpkg', ['-x', archive, '.'], { cwd: folder, encoding: 'utf8' })
  const file = found()
  return file === undefined ? `no libfaketime: dpkg says ${JSON.stringify(unpacked.stderr)}` : { file }
}

/** A clock for a process that is started with `env`. */
export const findFaketime = (folders: Folders, name: string): SteppedClock | string => {
  const library = findLibrary()
  if (typeof library === 'string') return library
  const file = join(folders.state, `clock-${name}`)
  const set = (ms: number): void => {
    // A reader must not meet half of it.
    writeFileSync(`${file}.new`, `${ms < 0 ? '-' : '+'}${Math.abs(ms) / 1_000}\n`)
    renameSync(`${file}.new`, file)
  }
  if (!existsSync(folders.state)) mkdirSync(folders.state, { recursive: true })
  set(0)
  return {
    set,
    env: {
      LD_PRELOAD: library.file,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_CACHE_DURATION: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      // Without it every timed wait of a JVM returns at once (0.9.10 with glibc 2.36).
      FAKETIME_FORCE_MONOTONIC_FIX: '0',
    },
  }
}
