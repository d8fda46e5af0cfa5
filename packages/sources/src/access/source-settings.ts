/** Reads a file's text; throws as `readFileSync` does. */
export type ReadText = (file: string) => string

export type SettingsEnvironment = Readonly<Record<string, string | undefined>>

/** One setting of a source: given by the environment, by a file that it names, not at all, or not to be had now. */
export type SourceSetting =
  | { readonly kind: 'unset' }
  | { readonly kind: 'set'; readonly text: string; readonly file?: string }
  | { readonly kind: 'unavailable'; readonly file: string; readonly cause: string }

/** Names that deployments already use for the same thing. */
const ALIASES: Readonly<Record<string, readonly string[]>> = {
  SOURCE_CXONE_SECRETS: ['CXONE_WEBHOOK_SECRET'],
}

export type SettingKind = 'SECRETS' | 'TOKEN' | 'BASIC' | 'CIDRS'

/** The environment variable of a source's setting; `<name>_FILE` names a file that holds the value. */
export const settingName = (source: string, kind: SettingKind): string =>
  `SOURCE_${source.toUpperCase().replaceAll('-', '_')}_${kind}`

export const readSetting = (
  env: SettingsEnvironment,
  source: string,
  kind: SettingKind,
  readText: ReadText,
): SourceSetting => {
  const name = settingName(source, kind)
  for (const variable of [name, ...(ALIASES[name] ?? [])]) {
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

/** Values separated by commas, or one a line. */
export const listOf = (text: string): readonly string[] =>
  text
    .split(/[,\n]/)
    .map((part) => part.trim())
    .filter((part) => part !== '')
