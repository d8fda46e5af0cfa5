import {
  isSignature,
  openAccess,
  settingName,
  SOURCES,
  type ReadText,
  type SettingsEnvironment,
  type SourceAccess,
} from '@weir/sources'

export interface SourcesConfig {
  readonly profile: 'production' | 'dev'
  readonly sourceEnv: SettingsEnvironment
}

export interface LoadedSources {
  readonly accesses: readonly SourceAccess[]
  /** Why these sources cannot be used; every one of them, for a person. */
  readonly problems: readonly string[]
  /** The files that all this came from: when one changes, load again. */
  readonly files: readonly string[]
}

const SECRET_LENGTH_MIN = 16

/** The sources that are on, with their secrets. */
export const loadSources = ({ profile, sourceEnv }: SourcesConfig, readText: ReadText): LoadedSources => {
  const opened = SOURCES.map((source) => openAccess(source, sourceEnv, readText))
  const accesses = opened.flatMap(({ access }) => access ?? [])
  const problems = opened.flatMap((one) => one.problems)
  if (accesses.length === 0 && problems.length === 0) problems.push(`No source is on: ${howToTurnOn()}.`)
  if (profile === 'production') {
    for (const { source, secrets } of accesses) {
      if (secrets.every((secret) => secret.length >= SECRET_LENGTH_MIN)) continue
      problems.push(
        `${settingName(source.name, 'SECRETS')}: a secret has fewer than ${SECRET_LENGTH_MIN} characters: use 32 random bytes.`,
      )
    }
  }
  return { accesses, problems, files: [...new Set(opened.flatMap(({ files }) => files))] }
}

const howToTurnOn = (): string => {
  const names = SOURCES.map(({ name, verifier }) =>
    settingName(name, isSignature(verifier) ? 'SECRETS' : 'CIDRS'),
  )
  return `give ${names.slice(0, -1).join(', ')} or ${names.at(-1)!}`
}
