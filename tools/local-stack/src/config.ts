import { homedir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { ROOT } from './folders.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** The value of an environment variable. An empty variable counts as unset. */
export const fromEnvironment = (name: string, env: Environment = process.env): string | undefined =>
  env[name] === '' ? undefined : env[name]

/** Where this clone keeps what it fetches, runs and logs. */
export const weirHome = (env: Environment = process.env): string =>
  resolve(fromEnvironment('WEIR_HOME', env) ?? join(ROOT, '.weir'))

/** What is built once for this user and serves every clone. */
export const cacheFolder = (env: Environment = process.env): string =>
  join(fromEnvironment('XDG_CACHE_HOME', env) ?? join(homedir(), '.cache'), 'weir')

/** Where programs are looked for, in order. */
export const programFolders = (env: Environment = process.env): readonly string[] =>
  (env.PATH ?? '').split(delimiter)

/** undefined: the Java of the path. */
export const javaHome = (env: Environment = process.env): string | undefined =>
  fromEnvironment('JAVA_HOME', env)

/**
 * What a program needs of its caller's environment to run at all, and WEIR_HOME to tell whose child it is. None of
 * these holds a secret.
 */
const PLAIN =
  /^(?:PATH|HOME|WEIR_HOME|USER|LOGNAME|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|JAVA_HOME|LD_LIBRARY_PATH|NODE_OPTIONS|NODE_COMPILE_CACHE|NODE_V8_COVERAGE|NODE_EXTRA_CA_CERTS)$/

/**
 * The environment of a child. A server gets `more` and a short list of plain variables: whoever can make it run a
 * command, or read its environment, finds no secret there. `inherits`: a tool of the caller, such as Maven, gets all.
 */
export const childEnvironment = (
  more: Environment = {},
  inherits = false,
  env: Environment = process.env,
): Environment => ({
  ...Object.fromEntries(Object.entries(env).filter(([name]) => inherits || PLAIN.test(name))),
  ...more,
})
