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

/** Variables that Weir reads and that mean something else to the servers: the registry takes LOG_LEVEL for its own. */
const OURS = ['LOG_LEVEL']

/** What a child process gets: what this one has but for what is meant for Weir alone, and more. */
export const childEnvironment = (more: Environment = {}, env: Environment = process.env): Environment => ({
  ...Object.fromEntries(Object.entries(env).filter(([name]) => !OURS.includes(name))),
  ...more,
})
