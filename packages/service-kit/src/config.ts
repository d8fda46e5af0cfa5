import { readFileSync } from 'node:fs'
import { z } from 'zod'

export type Environment = Readonly<Record<string, string | undefined>>

/** The configuration cannot be used. The message names every setting, its value (never a secret's) and the fix. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** One setting: where it comes from and what it must be. */
export interface Setting<T = unknown> {
  /** The environment variable; `<env>_FILE` names a file that holds the value. */
  readonly env: string
  /** Other names of the same variable, in order. */
  readonly aliases?: readonly string[]
  /** Takes the text (undefined when unset) and gives the value. */
  readonly schema: z.ZodType<T, string | undefined>
  readonly help: string
}

export type Settings = Readonly<Record<string, Setting>>
export type ConfigOf<S extends Settings> = { readonly [K in keyof S]: z.output<S[K]['schema']> }

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
      throw new ConfigError(`${name}_FILE: cannot read ${file} (${(error as NodeJS.ErrnoException).code})`)
    }
  }
  return undefined
}

/**
 * Reads every setting once and freezes the result. All problems are reported together in one `ConfigError`.
 * `check` relates settings to each other: it returns a message for each relation that does not hold.
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
        const isHidden = secrecyOf(setting) !== undefined
        const shown = found === undefined ? 'not set' : isHidden ? 'set' : JSON.stringify(found.text)
        const issues = result.error.issues.map((issue) => issue.message).join('; ')
        problems.push(`${setting.env} is ${shown}: ${issues}. ${setting.help}`)
      }
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      problems.push(error.message)
    }
  }
  if (problems.length === 0) problems.push(...check(config as ConfigOf<S>))
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
  switch (secrecyOf(setting)) {
    case 'secret':
      return value === undefined || value === '' || (Array.isArray(value) && value.length === 0)
        ? 'unset'
        : 'set'
    case 'url':
      return typeof value === 'string' ? publicUrl(value) : value
    case undefined:
      if (Array.isArray(value)) return value.map((one: unknown) => shownOf(setting, one))
      return typeof value === 'string' ? withoutUserInfo(value) : value
  }
}

type Secrecy = 'secret' | 'url'

/** Part of the type of a setting, so that none can be made of it that is shown. */
const secrecies = new WeakMap<z.ZodType, Secrecy>()

const hidden = <T extends z.ZodType>(secrecy: Secrecy, schema: T): T => {
  secrecies.set(schema, secrecy)
  return schema
}

const secrecyOf = ({ schema }: Setting): Secrecy | undefined => secrecies.get(schema)

export const isSecret = (setting: Setting): boolean => secrecyOf(setting) === 'secret'

/** A secret of a file is a line, whatever it holds. */
const inputOf = (setting: Setting, found: Found | undefined): string | undefined => {
  if (found === undefined || !found.isFile || !isSecret(setting)) return found?.text
  return listedLines.has(setting.schema) ? LINE + found.text.replaceAll('\r', '') : found.text
}

/** Before each secret of a file. */
const LINE = '\n'
const listedLines = new WeakSet<z.ZodType>()

/** `user:password@` before a host, in a URL or without one. */
const USER_INFO = /(^|\/\/|[\s,"'=])[^\s/,"'@]*:[^\s,"']*@(?=[^\s@])/g

const withoutUserInfo = (text: string): string => text.replace(USER_INFO, '$1***@')

const publicUrl = (text: string): string => {
  if (!URL.canParse(text)) return 'set'
  const { protocol, host, pathname, username, password, search } = new URL(text)
  const user = username === '' && password === '' ? '' : '***@'
  return `${protocol}//${user}${host}${pathname}${search === '' ? '' : '?***'}`
}

const SECRET_LENGTH_MIN = 8

/** What a check says of a setting may quote another. */
const withoutSecrets = (message: string, secrets: readonly string[]): string =>
  secrets
    .filter(({ length }) => length >= SECRET_LENGTH_MIN)
    .toSorted((a, b) => b.length - a.length)
    .reduce((text, secret) => text.replaceAll(secret, '***'), withoutUserInfo(message))

// Schemas for settings: each takes the environment's text.
const numeric = (min: number, max: number, multipleOf?: number) =>
  z.string().transform((text, ctx) => {
    const value = Number(text)
    if (
      text.trim() === '' ||
      Number.isNaN(value) ||
      (multipleOf !== undefined && value % multipleOf !== 0) ||
      value < min ||
      value > max
    ) {
      const what =
        multipleOf === undefined ? 'number' : multipleOf === 1 ? 'whole number' : `multiple of ${multipleOf}`
      ctx.addIssue({ code: 'custom', message: `must be a ${what} from ${min} to ${max}` })
      return z.NEVER
    }
    return value
  })

const URL_OF = (protocols: readonly string[], { credentials }: UrlOptions) =>
  z.string('must be set').superRefine((text, ctx) => {
    const url = URL.canParse(text) ? new URL(text) : undefined
    const isOne = url !== undefined && protocols.some((one) => text.startsWith(`${one}://`))
    if (!isOne) {
      const encoded = credentials ? ', special characters of its password percent-encoded' : ''
      ctx.addIssue({ code: 'custom', message: `must be a URL that begins with ${protocols[0]}://${encoded}` })
    } else if (!credentials && (url.username !== '' || url.password !== '')) {
      ctx.addIssue({ code: 'custom', message: 'must be a URL without user and password' })
    }
  })

interface UrlOptions {
  /** Whether a user and a password in it are used. */
  readonly credentials: boolean
}

const HTTP = ['http', 'https'] as const
const POSTGRES = ['postgres', 'postgresql'] as const

const partsOf = (text: string, separator: string | RegExp): readonly string[] =>
  text
    .split(separator)
    .map((part) => part.trim())
    .filter((part) => part !== '')

const splitSecrets = (text: string): readonly string[] => partsOf(text, text.includes(LINE) ? LINE : ',')

export const setting = {
  /** Shown as `set` only. Without a fallback it must be set. */
  secret: (fallback?: string) => hidden('secret', setting.text(fallback)),
  optionalSecret: () => hidden('secret', setting.optionalText()),
  /** Separated by commas; in a file one a line, commas included. */
  secretList: (fallback?: readonly []) => {
    const schema = hidden(
      'secret',
      (fallback === undefined ? z.string('must be set') : z.string().default('')).transform(
        splitSecrets,
      ) as z.ZodType<readonly string[], string | undefined>,
    )
    listedLines.add(schema)
    return schema
  },
  /** Separated by commas or lines, as no entry has one. */
  secretEntries: () =>
    hidden(
      'secret',
      z
        .string()
        .default('')
        .transform((text) => partsOf(text, /[\n,]/)) as z.ZodType<readonly string[], string | undefined>,
    ),
  /** Shown without user, password and query. */
  httpUrl: (options: UrlOptions, fallback?: string) => {
    const url = URL_OF(HTTP, options)
    const schema = fallback === undefined ? url : url.default(fallback)
    return hidden('url', schema as z.ZodType<string, string | undefined>)
  },
  optionalHttpUrl: (options: UrlOptions) =>
    hidden('url', URL_OF(HTTP, options).optional() as z.ZodType<string | undefined, string | undefined>),
  postgresUrl: () =>
    hidden('url', URL_OF(POSTGRES, { credentials: true }) as z.ZodType<string, string | undefined>),
  optionalPostgresUrl: () =>
    hidden(
      'url',
      URL_OF(POSTGRES, { credentials: true }).optional() as z.ZodType<string | undefined, string | undefined>,
    ),
  text: (fallback?: string) =>
    (fallback === undefined ? z.string('must be set') : z.string().default(fallback)) as z.ZodType<
      string,
      string | undefined
    >,
  optionalText: () => z.string().optional() as z.ZodType<string | undefined, string | undefined>,
  integer: (fallback: number, min: number, max: number, multipleOf = 1) =>
    numeric(min, max, multipleOf).default(fallback) as unknown as z.ZodType<number, string | undefined>,
  number: (fallback: number, min: number, max: number) =>
    numeric(min, max).default(fallback) as unknown as z.ZodType<number, string | undefined>,
  flag: (fallback: boolean) =>
    z
      .enum(['true', 'false'], 'must be true or false')
      .default(fallback ? 'true' : 'false')
      .transform((text) => text === 'true') as z.ZodType<boolean, string | undefined>,
  oneOf: <const V extends readonly [string, ...string[]]>(values: V, fallback: V[number]) =>
    z.enum(values, `must be one of ${values.join(', ')}`).default(fallback as never) as unknown as z.ZodType<
      V[number],
      string | undefined
    >,
  list: (fallback?: readonly string[]) =>
    (fallback === undefined ? z.string('must be set') : z.string().default(fallback.join(','))).transform(
      (text) => partsOf(text, ','),
    ) as z.ZodType<readonly string[], string | undefined>,
}
