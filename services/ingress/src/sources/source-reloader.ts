import type { Logger, Metrics } from '@weir/runtime'
import { readText, type SourceAccess } from '@weir/sources'
import { loadSources, type LoadedSources, type SourcesConfig } from './load-sources.ts'

export interface ReloaderOptions {
  readonly config: SourcesConfig
  readonly logger: Logger
  readonly metrics: Pick<Metrics, 'counter' | 'gauge'>
  readonly onLoaded: (accesses: readonly SourceAccess[]) => void
}

const LOOK_MS = 2_000

/**
 * Loads sources and their secrets again when the content of one of their files changes, or on request. If a file cannot
 * be used, the sources stay unchanged, and a log line, a counter and a gauge report it. A source whose keys disappeared
 * keeps its previous keys.
 */
export class SourceReloader {
  readonly #options: ReloaderOptions
  readonly #reloads
  readonly #isStale
  readonly #timer: NodeJS.Timeout
  #files: readonly string[]
  #seen: string
  #reported = ''
  #accesses: ReadonlyMap<string, SourceAccess>

  /** `loaded`: the sources in use. */
  constructor(options: ReloaderOptions, loaded: LoadedSources) {
    const { metrics } = options
    this.#options = options
    this.#files = loaded.files
    this.#seen = contentOf(loaded.files)
    this.#accesses = new Map(loaded.accesses.map((access) => [access.source.name, access]))
    this.#reloads = metrics.counter(
      'weir_ingress_source_reloads_total',
      'Reloads of the sources since ingress started.',
      ['result'],
    )
    this.#isStale = metrics.gauge(
      'weir_ingress_sources_stale',
      '1: the current files of the sources are invalid, so ingress uses the previous ones.',
    )
    this.#isStale.set(0)
    this.#timer = setInterval(() => this.look(), LOOK_MS)
    this.#timer.unref()
  }

  /**
   * Loads if a file has changed. It compares contents, because mounted secrets change through links with older times.
   */
  look(): void {
    const content = contentOf(this.#files)
    if (content === this.#seen) return
    this.#seen = content
    this.reload()
  }

  reload(): void {
    const loaded = loadSources(this.#options.config)
    // A file that a failed load names is watched too, because it may be the one that gets repaired.
    this.#files = [...new Set([...this.#files, ...loaded.files])]
    this.#seen = contentOf(this.#files)
    if (loaded.problems.length > 0) {
      this.#refuse(loaded.problems)
      return
    }
    this.#files = loaded.files
    this.#seen = contentOf(this.#files)
    const lost: string[] = []
    const accesses = loaded.accesses.map((access) => {
      const known = this.#accesses.get(access.source.name)
      if (access.unavailable === undefined || known === undefined || known.unavailable !== undefined)
        return access
      lost.push(`${access.source.name}: ${access.unavailable}`)
      return known
    })
    if (lost.length > 0) this.#refuse(lost)
    else this.#accept(accesses)
    for (const risk of loaded.risks) this.#options.logger.warn(risk)
    this.#use(accesses)
  }

  #use(accesses: readonly SourceAccess[]): void {
    this.#accesses = new Map(accesses.map((access) => [access.source.name, access]))
    this.#options.onLoaded(accesses)
  }

  #accept(accesses: readonly SourceAccess[]): void {
    this.#reported = ''
    this.#reloads.inc({ result: 'loaded' })
    this.#isStale.set(0)
    const sources = accesses.map(({ source }) => source.name)
    this.#options.logger.info({ sources }, 'sources have been reloaded')
  }

  #refuse(problems: readonly string[]): void {
    this.#reloads.inc({ result: 'refused' })
    this.#isStale.set(1)
    const text = problems.join('\n')
    if (text !== this.#reported) {
      this.#options.logger.error(
        { problems },
        'sources or keys cannot be loaded: the previous ones stay in use',
      )
    }
    this.#reported = text
  }

  close(): void {
    clearInterval(this.#timer)
  }
}

const contentOf = (files: readonly string[]): string =>
  files
    .map((file) => {
      try {
        return `${file}\0${readText(file)}`
      } catch (error) {
        return `${file}\0\0${(error as NodeJS.ErrnoException).code ?? ''}`
      }
    })
    .join('\0')
