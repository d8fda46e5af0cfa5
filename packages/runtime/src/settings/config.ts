import { readFileSync } from 'node:fs'
import { kafkaTlsProblems } from './kafka-tls.ts'
import { riskProblems } from './risks.ts'
import { kindOf, linesOfFile, type ConfigOf, type Setting, type Settings } from './setting.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** The environment of this process. Modules other than a `config.ts` take what they need from it as settings. */
export const processEnvironment = (): Environment => process.env

/** The configuration is unusable. The message names every faulty setting, its value (never a secret's) and the fix. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

interface Found {
  readonly text: string
  readonly isFile: boolean
}

const lookUp = (setting: Setting, env: Environment): Found | undefined => {
  for (const name of [setting.env, ...(setting.aliases ?? [])]) {
    const text = env[name]
    if (text !== undefined && text !== '') return { text, isFile: false }
    const file = env[`${name}_FILE`]
    if (file === undefined || file === '') continue
    try {
      return { text: readFileSync(file, 'utf8').trimEnd(), isFile: true }
    } catch (error) {
      // A common mistake is to put the secret itself where its file's name belongs, so the value is not quoted.
      const shown = isSecret(setting) || isUrl(setting) ? 'the file that it names' : file
      throw new ConfigError(`${name}_FILE: cannot read ${shown} (${(error as NodeJS.ErrnoException).code})`)
    }
  }
  return undefined
}

/**
 * Reads every setting once and freezes the result. Reports all problems together in one `ConfigError`. `check` relates
 * settings to each other: it returns a message for each relation that does not hold.
 */
export const loadSettings = <S extends Settings>(
  settings: S,
  env: Environment,
  check: (config: ConfigOf<S>) => readonly string[] = () => [],
): ConfigOf<S> => {
  const problems: string[] = []
  const secrets: string[] = []
  const config: Record<string, unknown> = {}
  for (const [name, setting] of Object.entries(settings)) {
    try {
      const found = lookUp(setting, env)
      if (found && isSecret(setting)) secrets.push(found.text, ...found.text.split(/[\s,:]+/))
      const result = setting.schema.safeParse(inputOf(setting, found))
      if (result.success) config[name] = result.data
      else {
        const isHidden = isSecret(setting) || isUrl(setting) || isCertificate(setting)
        const shown = found === undefined ? 'not set' : isHidden ? 'set' : JSON.stringify(found.text)
        const issues = result.error.issues.map((issue) => issue.message).join('; ')
        problems.push(`${setting.env} is ${shown}: ${issues}. ${setting.help}`)
      }
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      problems.push(error.message)
    }
  }
  if (problems.length === 0) {
    problems.push(...riskProblems(settings, config), ...kafkaTlsProblems(config))
    problems.push(...check(config as ConfigOf<S>))
  }
  if (problems.length > 0) throw new ConfigError(withoutSecrets(problems.join('\n'), secrets))
  return Object.freeze(config) as ConfigOf<S>
}

/** The configuration for a log line: secrets only as `set` or `unset`, URLs without user, password and query. */
export const describeSettings = (settings: Settings, config: object): Record<string, unknown> => {
  const values = config as Record<string, unknown>
  return Object.fromEntries(
    Object.entries(settings).map(([name, setting]) => [name, shownOf(setting, values[name])]),
  )
}

const shownOf = (setting: Setting, value: unknown): unknown => {
  if (isSecret(setting) || isCertificate(setting)) {
    const isUnset = value === undefined || value === '' || (Array.isArray(value) && value.length === 0)
    return isUnset ? 'unset' : 'set'
  }
  if (Array.isArray(value)) return value.map((one: unknown) => shownOf(setting, one))
  if (typeof value !== 'string') return value
  return isUrl(setting) ? publicUrl(value) : withoutUserInfo(value)
}

export const isSecret = ({ schema }: Setting): boolean => kindOf(schema)?.is === 'secret'

const isUrl = ({ schema }: Setting): boolean => kindOf(schema)?.is.endsWith('-url') === true

const isCertificate = ({ schema }: Setting): boolean => kindOf(schema)?.is === 'certificates'

const inputOf = (setting: Setting, found: Found | undefined): string | undefined =>
  found?.isFile === true && isSecret(setting) ? linesOfFile(setting.schema, found.text) : found?.text

/** `user:password@` before a host, with or without a URL around it. */
const USER_INFO = /(^|\/\/|[\s,"'=])[^\s/,"'@]*:[^\s,"']*@(?=[^\s@])/g

const withoutUserInfo = (text: string): string => text.replace(USER_INFO, '$1***@')

const publicUrl = (text: string): string => {
  if (!URL.canParse(text)) return 'set'
  const { protocol, host, pathname, username, password, search } = new URL(text)
  const user = username === '' && password === '' ? '' : '***@'
  return `${protocol}//${user}${host}${pathname}${search === '' ? '' : '?***'}`
}

const SECRET_LENGTH_MIN = 8

/** Messages of a check may quote another setting, so secrets are removed from them. */
const withoutSecrets = (message: string, secrets: readonly string[]): string =>
  secrets
    .filter(({ length }) => length >= SECRET_LENGTH_MIN)
    .toSorted((a, b) => b.length - a.length)
    .reduce((text, secret) => text.replaceAll(secret, '***'), withoutUserInfo(message))
