import { homedir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { ROOT } from './folders.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** An empty setting is one that is not given. */
const given = (value: string | undefined): string | undefined => (value === '' ? undefined : value)

/** Where this clone keeps what it fetches, runs and logs. */
export const weirHome = (env: Environment = process.env): string =>
  resolve(given(env.WEIR_HOME) ?? join(ROOT, '.weir'))

/** What is built once for this user and serves every clone. */
export const cacheFolder = (env: Environment = process.env): string =>
  join(given(env.XDG_CACHE_HOME) ?? join(homedir(), '.cache'), 'weir')

/** Where programs are looked for, in order. */
export const programFolders = (env: Environment = process.env): readonly string[] =>
  (env.PATH ?? '').split(delimiter)

/** undefined: the Java of the path. */
export const javaHome = (env: Environment = process.env): string | undefined => given(env.JAVA_HOME)

/** What a child process gets: all that this one has, and more. */
export const childEnvironment = (more: Environment = {}): Environment => ({ ...process.env, ...more })
