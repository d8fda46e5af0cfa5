import { plainLines } from '@weir/contracts'
import { ConfigError, describeSettings, type Environment } from '../settings/config.ts'
import { armFailpoints } from './failpoint.ts'
import { createLogger, type Logger } from './logger.ts'
import { Metrics } from './metrics.ts'
import { risksOf } from '../settings/risks.ts'
import type { Settings } from '../settings/setting.ts'

/** A started service. `stop` drains and closes in the reverse order of the start; it may be called once. */
export interface Service {
  stop(): Promise<void>
  /** Rejects when the service can no longer work: the process must then exit and be restarted. */
  readonly failed: Promise<never>
  readonly readiness: () => readonly string[]
  /** What stands still while the rest works, and why. */
  readonly parked?: (() => readonly string[]) | undefined
}

export interface ServiceDeps {
  readonly logger: Logger
  readonly metrics: Metrics
}

/** What a service folder exports; `npm start` composes these, and each `main.ts` runs one. */
export interface ServiceDefinition<Config extends { readonly logLevel: string }> {
  readonly name: string
  /** All that `loadConfig` reads. */
  readonly settings: Settings
  readonly loadConfig: (env?: Environment) => Config
  readonly start: (config: Config, deps: ServiceDeps) => Promise<Service>
}

/** What a service says first: the risks that its settings take, and the settings. */
export const logStart = (logger: Logger, settings: Settings, config: object): void => {
  for (const risk of risksOf(settings, config)) logger.warn(risk)
  logger.info(describeSettings(settings, config), 'starting')
}

const STOP_MS_MAX = 25_000
const SIGNALS = ['SIGTERM', 'SIGINT'] as const

/**
 * Runs one service as the process: exit code 2 and one message for an unusable configuration, 1 for a failure,
 * 0 after SIGTERM or SIGINT and a clean stop. A second signal, or a stop of over 25 s, ends it at once.
 * With `told` it stops when that resolves, and signals are left to the process that tells.
 */
export const runService = async <Config extends { readonly logLevel: string }>(
  definition: ServiceDefinition<Config>,
  told?: Promise<string>,
): Promise<void> => {
  if (told !== undefined) for (const signal of SIGNALS) process.on(signal, () => undefined)
  let config: Config
  try {
    armFailpoints(process.env)
    config = definition.loadConfig()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(
      plainLines(`${definition.name}: the configuration cannot be used\n${error.message}\n`),
    )
    process.exit(2)
  }
  const logger = createLogger(definition.name, config.logLevel)
  const metrics = new Metrics(definition.name)
  metrics.collectProcess()
  const fail = (error: unknown): never => {
    logger.fatal({ err: error }, 'failed')
    process.exit(1)
  }
  process.on('unhandledRejection', fail)
  process.on('uncaughtException', fail)
  const service = await definition.start(config, { logger, metrics }).catch(fail)
  service.failed.catch(fail)
  let stopping = false
  const stop = (signal: string): void => {
    if (stopping) process.exit(1)
    stopping = true
    logger.info({ signal }, 'stopping')
    setTimeout(() => fail(new Error(`not stopped within ${STOP_MS_MAX} ms`)), STOP_MS_MAX).unref()
    service.stop().then(() => process.exit(0), fail)
  }
  if (told !== undefined) void told.then(stop)
  else for (const signal of SIGNALS) process.on(signal, () => stop(signal))
}

/** Closes what was opened, last first; later closers run even when one fails, and the first error is thrown at the end. */
export class Closers {
  readonly #closers: (() => unknown)[] = []

  add(close: () => unknown): void {
    this.#closers.push(close)
  }

  async close(): Promise<void> {
    let first: unknown
    for (const close of this.#closers.splice(0).reverse()) {
      try {
        await close()
      } catch (error) {
        first ??= error
      }
    }
    if (first !== undefined) throw first as Error
  }
}
