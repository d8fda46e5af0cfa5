import {
  readSetting,
  settingName,
  type ReadText,
  type SettingKind,
  type SettingsEnvironment,
} from './source-settings.ts'

/** Reads the settings of one source. Collects the files that they name and everything that is wrong with them. */
export class SettingsReader {
  readonly files: string[] = []
  readonly problems: string[] = []
  readonly #source: string
  readonly #env: SettingsEnvironment
  readonly #read: ReadText
  #unavailable: string | undefined

  constructor(source: string, env: SettingsEnvironment, read: ReadText) {
    this.#source = source
    this.#env = env
    this.#read = read
  }

  /** The first setting whose file could not be read, and the cause. */
  get unavailable(): string | undefined {
    return this.#unavailable
  }

  /** Undefined if the setting is not set or its file cannot be read. */
  find(kind: SettingKind) {
    const setting = readSetting(this.#env, this.#source, kind, this.#read)
    if (setting.kind !== 'unset' && setting.file !== undefined) this.files.push(setting.file)
    if (setting.kind === 'unavailable') {
      this.#unavailable ??= `${settingName(this.#source, kind)}_FILE: ${setting.cause}`
    }
    return setting.kind === 'set' ? setting : undefined
  }

  /** Returns what `make` returns. If it throws, its message becomes a problem of the setting. */
  attempt<T>(kind: SettingKind, make: () => T): T | undefined {
    try {
      return make()
    } catch (error) {
      this.reject(kind, (error as Error).message)
      return undefined
    }
  }

  reject(kind: SettingKind, problem: string): void {
    this.problems.push(`${settingName(this.#source, kind)}: ${problem}`)
  }
}
