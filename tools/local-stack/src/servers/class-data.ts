import { createHash } from 'node:crypto'
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { programFolders } from '../config.ts'
import type { Folders } from '../folders.ts'
import { isRunning } from '../processes/identity.ts'
import { STOP_MS_MAX } from '../processes/leftovers.ts'
import type { ChildExit } from '../processes/process.ts'

/** What a JVM says when it ends after SIGTERM. */
const TERMINATED = 143
const RECORD_MS_MAX = 20_000

export interface ClassData {
  /** Options for the JVM. */
  readonly options: readonly string[]
  readonly stopMsMax: number
  /** To be called when the JVM has ended. */
  readonly ended: (exit: ChildExit) => void
}

/**
 * An archive of a server's classes, parsed and verified (Java's class data sharing): halves the CPU time of its start.
 * The first run on this machine records it when it is stopped, which takes some seconds, once; later runs use it. The
 * JVM ignores an archive that does not fit it.
 */
export const classData = (
  folders: Folders,
  name: string,
  java: string,
  classPath: readonly string[],
): ClassData => {
  const archive = join(
    folders.downloads,
    'class-data',
    `${name}-${fingerprint([programPath(java), ...classPath])}.jsa`,
  )
  if (existsSync(archive)) {
    return { options: [`-XX:SharedArchiveFile=${archive}`], stopMsMax: STOP_MS_MAX, ended: () => undefined }
  }
  mkdirSync(dirname(archive), { recursive: true })
  removeAbandoned(archive)
  const recording = `${archive}.${process.pid}`
  return {
    options: [`-XX:ArchiveClassesAtExit=${recording}`],
    stopMsMax: RECORD_MS_MAX,
    ended: ({ code }) => {
      // A JVM that was killed may have written a part of it.
      if (code === TERMINATED && existsSync(recording)) renameSync(recording, archive)
      else rmSync(recording, { force: true })
    },
  }
}

/** An archive fits only these very files. */
const fingerprint = (files: readonly string[]): string => {
  const hash = createHash('sha256')
  for (const file of files) {
    const { size, mtimeMs } = statSync(file)
    hash.update(`${file} ${size} ${mtimeMs}\n`)
  }
  return hash.digest('hex').slice(0, 16)
}

const programPath = (program: string): string => {
  if (program.includes('/')) return program
  const candidates = programFolders().map((folder) => join(folder, program))
  return candidates.find(isExecutable) ?? program
}

const isExecutable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Those of processes that were killed. */
const removeAbandoned = (archive: string): void => {
  const folder = dirname(archive)
  for (const name of readdirSync(folder)) {
    const pid = /\.jsa\.(\d+)$/.exec(name)?.[1]
    if (name.startsWith(basename(archive)) && pid !== undefined && !isRunning(Number(pid)))
      rmSync(join(folder, name), { force: true })
  }
}
