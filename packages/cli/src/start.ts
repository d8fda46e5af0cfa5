import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  folders as foldersOf,
  hasDockerCompose,
  ROOT,
  stopLeftovers,
  tryLock,
  weirHome,
  type Folders,
} from '@weir/local-stack'
import type { InfluxSettings } from '@weir/metric-export'
import { Closers, ConfigError, type Environment } from '@weir/service-kit'
import type { SimulatorService } from '@weir/simulator'
import { audit, readTruth } from '@weir/truth'
import { loadStartConfig, loadTopicsConfig, type StartConfig } from './config.ts'
import { drain } from './drain.ts'
import { startLiveView } from './live-view.ts'
import { Observer } from './observe.ts'
import {
  CannotStartError,
  deleteState,
  missingPrograms,
  requireFreePorts,
  startServers,
  type Servers,
} from './servers.ts'
import { localEnvironment, startServices, type RunningServices } from './services.ts'
import { StoppedError, watchForStop, type StopRequest } from './stop-request.ts'
import { describeSummary, summarise, type Summary } from './summary.ts'

export interface StartOptions {
  readonly for?: number
  readonly rate: number
  readonly lateAfter?: number
  readonly duplicates: number
  readonly simulator: boolean
  readonly fresh?: boolean
  readonly summary?: string
}

const READY_MS_MAX = 120_000
const LATE_AFTER_SECS_MAX = 60
const progress = (text: string): void => {
  process.stderr.write(`${text}\n`)
}

/** Runs everything until it is told to stop, or for a time and then checks it. Returns the exit code. */
export const runStart = async (options: StartOptions): Promise<number> => {
  const closers = new Closers()
  const stop = watchForStop()
  const folders = foldersOf(weirHome())
  try {
    const config = loadStartConfig()
    const release = tryLock(join(folders.run, 'start.lock'))
    if (typeof release === 'number') {
      throw new CannotStartError(
        `Weir already runs here, as process ${release}. Stop it, or set WEIR_HOME to another folder.`,
      )
    }
    closers.add(() => {
      release()
      return Promise.resolve()
    })
    const leftovers = await stopLeftovers(folders.run)
    if (leftovers.length > 0) progress(`Stopped what an earlier run had left: ${leftovers.join(', ')}`)
    if (options.fresh) {
      progress('Deleting the state of earlier runs')
      await deleteState(folders)
    }
    const missing = await missingPrograms(config, folders)
    if (missing.length > 0) return await runWithCompose(missing)
    await requireFreePorts(config)
    return await runAll(options, config, folders, stop, closers)
  } catch (error) {
    if (error instanceof StoppedError) return 0
    const isForPerson = error instanceof CannotStartError || error instanceof ConfigError
    progress(
      isForPerson
        ? error.message
        : `Weir has failed: ${(error as Error).message}\nLogs are in ${folders.logs}`,
    )
    return isForPerson ? 2 : 1
  } finally {
    await closers.close().catch((error: unknown) => progress(`While stopping: ${(error as Error).message}`))
  }
}

const runAll = async (
  options: StartOptions,
  config: StartConfig,
  folders: Folders,
  stop: StopRequest,
  closers: Closers,
): Promise<number> => {
  // The process has run since before its first line.
  const startedAt = Date.now() - process.uptime() * 1_000
  const servers = await startServers(config, folders, progress)
  closers.add(() => servers.stop())
  stop.check()
  if (servers.influxMissing !== undefined) progress(`InfluxDB is left out: ${servers.influxMissing}`)
  const env = localEnvironment(config, servers, folders)
  const services = await startServices(env, folders)
  closers.add(() => services.stop())
  await untilReady(services, stop)
  const readyAt = Date.now()
  const start_secs = Math.round((readyAt - startedAt) / 100) / 10
  progress(`Ready after ${start_secs} s`)
  const simulator = options.simulator
    ? await services.startSimulator(simulatorEnvironment(options, env))
    : undefined
  const observer = new Observer(loadTopicsConfig(env), servers.databaseUrl, servers.registryUrl)
  closers.add(() => observer.close())

  const { readiness } = services
  const view = startLiveView({
    observer,
    simulator,
    readiness,
    urls: urlsOf(config, servers),
    out: process.stdout,
  })
  const ended = await Promise.race([
    stop.requested,
    services.failed,
    serverDeath(servers),
    endOf(options, simulator),
  ])
  await view.stop()
  if (ended !== 'finished') {
    progress(`Stopping (${ended})`)
    return options.for === undefined ? 0 : 130
  }
  progress('Draining')
  const drained = await Promise.race([
    drain(observer, influxSettings(servers, env), progress),
    stopped(stop),
    services.failed,
  ])
  const report = audit(readTruth(env.TRUTH_DIR!), await observer.everything())
  const summary = summarise(drained, report, {
    ...{ start_secs, latency: await observer.latency(new Date(readyAt)), rss_mb: residentMegabytes(servers) },
    accepted: simulator?.counts().accepted ?? 0,
  })
  return conclude(summary, servers, options)
}

const conclude = (summary: Summary, servers: Servers, options: StartOptions): number => {
  process.stdout.write(`${describeSummary(summary)}\n`)
  if (servers.influxMissing !== undefined) progress(`InfluxDB was not checked: ${servers.influxMissing}`)
  if (options.summary !== undefined) writeFileSync(options.summary, `${JSON.stringify(summary, null, 2)}\n`)
  return summary.ok ? 0 : 1
}

const stopped = async (stop: StopRequest): Promise<never> => {
  throw new StoppedError(await stop.requested)
}

const untilReady = async (services: RunningServices, stop: StopRequest): Promise<void> => {
  const deadline = performance.now() + READY_MS_MAX
  const wait = async (): Promise<void> => {
    while (services.readiness().length > 0) {
      if (performance.now() > deadline)
        throw new Error(`not ready after ${READY_MS_MAX / 1_000} s: ${services.readiness().join(', ')}`)
      await sleep(20)
    }
  }
  await Promise.race([wait(), stopped(stop), services.failed])
}

/** Resolves to `finished` when the time is over; never without `--for`. */
const endOf = async (
  { for: seconds }: StartOptions,
  simulator: SimulatorService | undefined,
): Promise<'finished'> => {
  if (seconds === undefined) return new Promise(() => undefined)
  await (simulator?.finished ?? sleep(seconds * 1_000))
  return 'finished'
}

const serverDeath = (servers: Servers): Promise<string> =>
  Promise.race(
    servers.started.map(async (server) => {
      await server.exited
      return `${server.name} has ended; its log is ${server.logFile}`
    }),
  )

const simulatorEnvironment = (options: StartOptions, env: Environment): Environment => {
  const lateAfter = options.lateAfter ?? Math.min(LATE_AFTER_SECS_MAX, (options.for ?? Infinity) / 3)
  return {
    ...env,
    SIMULATOR_RATE: String(options.rate),
    SIMULATOR_DUPLICATES: String(options.duplicates),
    SIMULATOR_LATE_AFTER_SECS: String(lateAfter),
    SIMULATOR_FOR_SECS: String(options.for ?? 0),
  }
}

const influxSettings = ({ influx }: Servers, env: Environment): InfluxSettings | undefined =>
  influx && {
    influxUrl: influx.url,
    influxToken: env.INFLUX_TOKEN ?? '',
    influxOrg: env.INFLUX_ORG ?? 'default',
    influxBucket: env.INFLUX_BUCKET ?? 'cxone_metrics',
    influxTimeoutMs: 10_000,
    environment: env.METRIC_EXPORT_ENVIRONMENT!,
  }

const urlsOf = (config: StartConfig, servers: Servers): string[] => [
  `webhooks   http://127.0.0.1:${config.ingressPort}/webhooks/<source>   (metrics: /metrics)`,
  `Kafka      ${servers.kafkaBrokers}   registry ${servers.registryUrl}`,
  `InfluxDB   ${servers.influx?.url ?? 'none'}   PostgreSQL 127.0.0.1:${config.postgresPort}`,
]

const residentMegabytes = (servers: Servers): Record<string, number> => {
  const megabytes: Record<string, number> = { weir: Math.round(process.memoryUsage.rss() / 1_048_576) }
  for (const { name, pid } of servers.started) {
    try {
      const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
      if (kilobytes !== undefined) megabytes[name] = Math.round(Number(kilobytes) / 1_024)
    } catch {
      // Only Linux tells.
    }
  }
  return megabytes
}

const runWithCompose = async (missing: readonly string[]): Promise<number> => {
  if (!(await hasDockerCompose())) {
    throw new CannotStartError(
      `To run on this machine, install ${missing.join(' and ')}, or Docker with Compose.`,
    )
  }
  progress(`Without ${missing.join(' and ')} everything runs in containers`)
  const child = spawn('docker', ['compose', '--profile', 'simulator', 'up', '--build'], {
    cwd: ROOT,
    stdio: 'inherit',
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })
}
