import { plainLines, type ServiceName } from '@weir/contracts'
import { ConfigError, describeSettings, processEnvironment, type Environment } from '../settings/config.ts'
import { armFailpoints } from './failpoint.ts'
import { createLogger, type Logger } from './logger.ts'
import { Metrics } from './metrics.ts'
import { risksOf } from '../settings/risks.ts'
import type { Settings } from '../settings/setting.ts'

/** A started service. `stop` drains and closes in the reverse order of the start; call it once. */
export interface Service {
  stop(): Promise<void>
  /** Rejects when the service can no longer work. The process must then exit and be restarted. */
  readonly failed: Promise<never>
  readonly readiness: () => readonly string[]
  /** What is stopped while the rest works, and why. */
  readonly parked?: (() => readonly string[]) | undefined
}

export interface ServiceDeps {
  readonly logger: Logger
  readonly metrics: Metrics
}

/** What a service folder exports. `npm start` composes these; each `main.ts` runs one. */
export interface ServiceDefinition<Config extends { readonly logLevel: string }> {
  readonly name: ServiceName
  /** All settings that `loadConfig` reads. */
  readonly settings: Settings
  readonly loadConfig: (env?: Environment) => Config
  readonly start: (config: Config, deps: ServiceDeps) => Promise<Service>
}

/** Logs, at the start of a service, the risks that its settings accept and the settings themselves. */
export const logStart = (logger: Logger, settings: Settings, config: object): void => {
  for (const risk of risksOf(settings, config)) logger.warn(risk)
  logger.info(describeSettings(settings, config), 'starting')
}

const STOP_MS_MAX = 25_000
const SIGNALS = ['SIGTERM', 'SIGINT'] as const

/**
 * Runs one service as this process. Exits with 2 and one message when the configuration is unusable, with 1 after a
 * failure, and with 0 after SIGTERM or SIGINT and a clean stop. A second signal, or a stop that takes more than 25 s,
 * ends the process at once. With `stopRequest` the service stops when that promise resolves, and the process that sent
 * it handles the signals.
 */
export const runService = async <Config extends { readonly logLevel: string }>(
  definition: ServiceDefinition<Config>,
  stopRequest?: Promise<string>,
): Promise<void> => {
  if (stopRequest !== undefined) for (const signal of SIGNALS) process.on(signal, () => undefined)
  let config: Config
  try {
    armFailpoints(processEnvironment())
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
    setTimeout(
      () => fail(new Error(`the service did not stop within ${STOP_MS_MAX} ms`)),
      STOP_MS_MAX,
    ).unref()
    service.stop().then(() => process.exit(0), fail)
  }
  if (stopRequest !== undefined) void stopRequest.then(stop)
  else for (const signal of SIGNALS) process.on(signal, () => stop(signal))
}

/** Closes resources in reverse order. Later closers run even when one fails; the first error is thrown at the end. */
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
