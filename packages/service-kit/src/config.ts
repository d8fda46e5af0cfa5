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
  readonly secret?: boolean
  readonly help: string
}

export type Settings = Readonly<Record<string, Setting>>
export type ConfigOf<S extends Settings> = { readonly [K in keyof S]: z.output<S[K]['schema']> }

const lookUp = (setting: Setting, env: Environment): string | undefined => {
  for (const name of [setting.env, ...(setting.aliases ?? [])]) {
    const text = env[name]
    if (text !== undefined && text !== '') return text
    const file = env[`${name}_FILE`]
    if (file === undefined || file === '') continue
    try {
      return readFileSync(file, 'utf8').trimEnd()
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
  const config: Record<string, unknown> = {}
  for (const [name, setting] of Object.entries(settings)) {
    try {
      const text = lookUp(setting, env)
      const result = setting.schema.safeParse(text)
      if (result.success) config[name] = result.data
      else {
        const shown = text === undefined ? 'not set' : setting.secret ? 'set' : JSON.stringify(text)
        const issues = result.error.issues.map((issue) => issue.message).join('; ')
        problems.push(`${setting.env} is ${shown}: ${issues}. ${setting.help}`)
      }
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      problems.push(error.message)
    }
  }
  if (problems.length === 0) problems.push(...check(config as ConfigOf<S>))
  if (problems.length > 0) throw new ConfigError(problems.join('\n'))
  return Object.freeze(config) as ConfigOf<S>
}

/** The configuration for a log line: secrets only as `set` or `unset`. */
export const describeSettings = (settings: Settings, config: object): Record<string, unknown> => {
  const values = config as Record<string, unknown>
  return Object.fromEntries(
    Object.entries(settings).map(([name, setting]) => [
      name,
      setting.secret ? (values[name] === undefined ? 'unset' : 'set') : values[name],
    ]),
  )
}

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

export const setting = {
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
      (text) =>
        text
          .split(',')
          .map((part) => part.trim())
          .filter((part) => part !== ''),
    ) as z.ZodType<readonly string[], string | undefined>,
}
