import { readFileSync } from 'node:fs'

/** Reads a text file. Throws the same errors as `readFileSync`. */
export const readText = (file: string): string => readFileSync(file, 'utf8')

export type ReadText = typeof readText

export type SettingsEnvironment = Readonly<Record<string, string | undefined>>

/** One setting of a source: its value or file, absent, or unreadable at the moment. */
export type SourceSetting =
  | { readonly kind: 'unset' }
  | { readonly kind: 'set'; readonly text: string; readonly file?: string }
  | { readonly kind: 'unavailable'; readonly file: string; readonly cause: string }

const ALIASES: Readonly<Record<string, readonly string[]>> = {
  SOURCE_CXONE_SECRETS: ['CXONE_WEBHOOK_SECRET'],
  SOURCE_NICE_SECRETS: ['CXONE_WEBHOOK_SECRET'],
}

/** Alternative names that existing deployments use. */
export const settingAliases = (name: string): readonly string[] => ALIASES[name] ?? []

export type SettingKind =
  'SECRETS' | 'JWT_KEYS' | 'VERIFY_TOKEN' | 'TOKEN' | 'QUERY_TOKEN' | 'BASIC' | 'CIDRS'

/** The environment variable of a source's setting. `<name>_FILE` names a file that holds the value. */
export const settingName = (source: string, kind: SettingKind): string =>
  `SOURCE_${source.toUpperCase().replaceAll('-', '_')}_${kind}`

export const readSetting = (
  env: SettingsEnvironment,
  source: string,
  kind: SettingKind,
  readText: ReadText,
): SourceSetting => {
  const name = settingName(source, kind)
  for (const variable of [name, ...settingAliases(name)]) {
    const text = env[variable]
    if (text !== undefined && text !== '') return { kind: 'set', text }
    const file = env[`${variable}_FILE`]
    if (file === undefined || file === '') continue
    try {
      const content = readText(file).trim()
      return content === ''
        ? { kind: 'unavailable', file, cause: 'it is empty' }
        : { kind: 'set', text: content, file }
    } catch (error) {
      return {
        kind: 'unavailable',
        file,
        cause: (error as NodeJS.ErrnoException).code ?? 'it cannot be read',
      }
    }
  }
  return { kind: 'unset' }
}

/** No provider issues a secret this short, so it is a fragment that a comma cut off. */
const LISTED_LENGTH_MIN = 16

/** A key or certificate. In a variable its lines may end in `\n`, in a space, or not at all. */
const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([^]*?)-----END \1-----(?:\\[rn])*/g
const PEM_LINE = /.{1,64}/g

/**
 * In a file each line is one secret and may contain commas. In a variable commas separate secrets too. A PEM block is
 * one secret. Throws a `RangeError` without the text if a comma in a variable seems to be part of a secret.
 */
export const secretsOf = ({ text, file }: { readonly text: string; readonly file?: string }) => {
  const blocks = (text.match(PEM_BLOCK) ?? []).map(withLines)
  const rest = { text: text.replace(PEM_BLOCK, '\n'), ...(file !== undefined && { file }) }
  return [...blocks, ...plainSecretsOf(rest)]
}

const withLines = (pem: string): string =>
  pem.replace(PEM_BLOCK, (_, label: string, content: string) => {
    const lines = content.replaceAll(/\\[rn]|\s/g, '').match(PEM_LINE) ?? []
    return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`].join('\n')
  })

const plainSecretsOf = ({ text, file }: { readonly text: string; readonly file?: string }) => {
  if (file !== undefined) return linesOf(text)
  const secrets = listOf(text)
  const short = secrets.findIndex((secret) => secret.length < LISTED_LENGTH_MIN)
  if (short < 0 || !text.includes(',')) return secrets
  throw new RangeError(
    `secret ${short} has only ${secrets[short]!.length} characters. A comma separates secrets in a variable. ` +
      'Put a secret that contains a comma into a file with one secret per line.',
  )
}

const linesOf = (text: string): readonly string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')

/** Values separated by commas or line breaks. */
export const listOf = (text: string): readonly string[] =>
  text
    .split(/[,\n]/)
    .map((part) => part.trim())
    .filter((part) => part !== '')
