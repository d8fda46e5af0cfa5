import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  deleteState,
  findJava,
  folders as foldersOf,
  hasDockerCompose,
  ROOT,
  StoppedError,
  stopLeftovers,
  stopOwn,
  tryLock,
  watchForStop,
  weirHome,
  type Folders,
} from '@weir/local-stack'
import { service as metricExport, readTotals, type InfluxSettings } from '@weir/metric-export'
import { examine, Observer, type Examination } from '@weir/observer'
import type { OracleInflux } from '@weir/oracle'
import { Closers, ConfigError, type Environment } from '@weir/runtime'
import type { SimulatorService } from '@weir/simulator'
import { loadDeadLetterKeys, loadStartConfig, loadTopicsConfig, type StartConfig } from '../config.ts'
import { checkIndependently } from './independent-check.ts'
import { startLiveView, type LiveView } from './live-view.ts'
import { foldersFor, strangeRows } from './local-state.ts'
import { errorLines, print, printPage, progress as printProgress } from '../output.ts'
import {
  CannotStartError,
  missingPrograms,
  requireFreePorts,
  startServers,
  type InfluxServer,
  type Servers,
} from './servers.ts'
import { announceStart } from './running-start.ts'
import { createTopics, localEnvironment, startServices, type RunningServices } from './services.ts'
import { settingNames } from '../settings-reference.ts'
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
const EXPORTER_MS_MAX = 10_000
const LATE_AFTER_SECS_MAX = 60
let view: LiveView | undefined
const progress = (text: string): void => {
  if (view === undefined) printProgress(text)
  else view.say(text)
}
const progressLines = (error: Error): void => {
  for (const line of errorLines(error)) progress(line)
}

/** Runs everything until a signal, or for a time and then checks it. Returns the exit code. */
export const runStart = async (options: StartOptions): Promise<number> => {
  const closers = new Closers()
  const stop = watchForStop()
  const home = foldersOf(weirHome())
  try {
    const config = loadStartConfig()
    const folders = foldersFor(home, config)
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
      deleteState(folders)
    }
    const java = await findJava()
    const missing = await missingPrograms(config, folders, java)
    if (missing.length > 0) return await runWithCompose(missing)
    await requireFreePorts(config)
    return await Promise.race([runAll(options, config, { folders, java }, closers), stop.requested])
  } catch (error) {
    if (error instanceof StoppedError) {
      await sayGoodbye(error, options)
      return options.for === undefined ? 0 : 130
    }
    const isForPerson = error instanceof CannotStartError || error instanceof ConfigError
    const { message } = error as Error
    progressLines(isForPerson ? error : new Error(`Weir has failed: ${message}\nLogs are in ${home.logs}`))
    return isForPerson ? 2 : 1
  } finally {
    await closers
      .close()
      .catch((error: unknown) => progressLines(new Error(`While stopping: ${(error as Error).message}`)))
  }
}

/** Totals when a person stopped the run. Nothing was checked. */
const sayGoodbye = async ({ message }: StoppedError, options: StartOptions): Promise<void> => {
  const counts = await view?.last()
  await view?.stop()
  view = undefined
  progress(`Stopping (${message})`)
  if (counts === undefined) return
  print(`Until now: ${counts}`)
  progress(
    `The state is kept, and the next start goes on with it. ${
      options.for === undefined ? '`npm start -- --for <seconds>`' : 'Only a run to its end'
    } checks every event.`,
  )
}

interface Machine {
  readonly folders: Folders
  readonly java: string | undefined
}

/** Anything that ends the run early rejects, and `closers` then stops what was started until then. */
const runAll = async (
  options: StartOptions,
  config: StartConfig,
  { folders, java }: Machine,
  closers: Closers,
): Promise<number> => {
  // Includes the time before the first line of this process.
  const startedAt = Date.now() - process.uptime() * 1_000
  closers.add(() => stopOwn(folders.run))
  const servers = await startServers(config, folders, java, progress)
  if (servers.influxMissing !== undefined) progress(`InfluxDB is not used: ${servers.influxMissing}`)
  const env = localEnvironment(config, servers, folders)
  await createTopics(env, folders)
  const { databaseReaderUrl: databaseUrl, registryUrl } = servers
  const keys = loadDeadLetterKeys(env)
  const observer = new Observer({ settings: loadTopicsConfig(env), databaseUrl, registryUrl, keys })
  closers.add(() => observer.close())
  observer.leaveOut(await strangeRows(folders, observer))
  const services = await startServices(env, folders, servers)
  closers.add(() => services.stop())
  const failed = Promise.race([services.failed, servers.failed])
  await Promise.race([untilReady(services, servers), failed])
  const readyAt = Date.now()
  const start_secs = Math.round((readyAt - startedAt) / 100) / 10
  progress(`Ready after ${start_secs} s${waitingText(services)}`)
  const withdraw = announceStart(folders, commandEnvironment(env, servers), {
    consoleToken: firstOf(env.CONSOLE_READ_TOKENS) || firstOf(env.CONSOLE_TOKENS),
    databaseReaderUrl: databaseUrl,
  })
  closers.add(() => {
    withdraw()
    return Promise.resolve()
  })
  const simulator = options.simulator
    ? await services.startSimulator(simulatorEnvironment(options, env))
    : undefined
  const urls = urlsOf(config, servers)
  const live = startLiveView({
    observer,
    simulator,
    urls,
    readiness: services.readiness,
    out: process.stdout,
  })
  view = live
  closers.add(() => live.stop())

  await Promise.race([endOf(options, simulator), failed])
  await live.stop()
  view = undefined
  progress('Draining')
  const examination = await Promise.race([
    examineRun(observer, { influx: servers.influx, truthDir: env.TRUTH_DIR!, env }),
    failed,
  ])
  const independent = await Promise.race([
    checkIndependently({
      env,
      folders,
      java,
      databaseUrl,
      progress,
      influx: examination.influx && oracleInflux(config, influxSettings(servers.influx, env)),
    }),
    failed,
  ])
  const summary = summarise(examination, {
    independent,
    start_secs,
    latency: await observer.latency(new Date(readyAt)),
    rss_mb: residentMegabytes(servers),
    accepted: simulator?.counts().accepted ?? 0,
    isSent: simulator !== undefined,
    mismatches: simulator?.mismatches() ?? [],
  })
  return conclude(summary, servers, options)
}

const examineRun = async (
  observer: Observer,
  run: { readonly influx: InfluxServer | undefined; readonly truthDir: string; readonly env: Environment },
): Promise<Examination> => {
  // Before the first simulator nothing was sent.
  mkdirSync(run.truthDir, { recursive: true })
  const waiting = setInterval(() => progress('Waiting for InfluxDB'), 10_000)
  const missing = await run.influx?.settled
  clearInterval(waiting)
  if (missing !== undefined) progress(`InfluxDB is not there: ${missing}`)
  const settings = missing === undefined ? influxSettings(run.influx, run.env) : undefined
  return examine({
    observer,
    truthDir: run.truthDir,
    progress,
    ...(settings && { influx: () => readTotals(settings) }),
  })
}

const conclude = (summary: Summary, servers: Servers, options: StartOptions): number => {
  printPage(describeSummary(summary))
  if (summary.influx === null) progress(`InfluxDB was not checked${reasonOf(servers)}`)
  if (options.summary !== undefined) writeFileSync(options.summary, `${JSON.stringify(summary, null, 2)}\n`)
  return summary.ok ? 0 : 1
}

const reasonOf = ({ influxMissing }: Servers): string =>
  influxMissing === undefined ? '.' : `: ${influxMissing}`

/** Reasons why services are not ready, without the exporter when its InfluxDB may come later or never. */
const waitingFor = ({ readiness }: RunningServices, isExporterAsked: boolean): string[] =>
  [...readiness()]
    .filter(([service]) => isExporterAsked || service !== metricExport.name)
    .map(([service, reasons]) => `${service}: ${reasons.join(', ')}`)

/**
 * Waits until webhooks are accepted and become rows. The exporter gets some seconds more, because its InfluxDB may be
 * unavailable.
 */
const untilReady = async (services: RunningServices, { influx }: Servers): Promise<void> => {
  const deadline = performance.now() + READY_MS_MAX
  while (waitingFor(services, false).length > 0) {
    if (performance.now() > deadline) {
      throw new Error(`not ready after ${READY_MS_MAX / 1_000} s: ${waitingFor(services, true).join('; ')}`)
    }
    await sleep(20)
  }
  const patience = Math.min(deadline, performance.now() + (influx?.isThere ? EXPORTER_MS_MAX : 0))
  while (waitingFor(services, true).length > 0 && performance.now() < patience) await sleep(20)
}

const waitingText = (services: RunningServices): string => {
  const waiting = waitingFor(services, true)
  return waiting.length === 0 ? '' : `, but not all of it: ${waiting.join('; ')}`
}

/** Resolves when the time is over; never without `--for`. */
const endOf = async (
  { for: seconds }: StartOptions,
  simulator: SimulatorService | undefined,
): Promise<void> => {
  if (seconds === undefined) return new Promise(() => undefined)
  await (simulator?.finished ?? sleep(seconds * 1_000))
}

const firstOf = (list = ''): string => list.split(',')[0]!

/** Settings that the `weir` command needs to work on this run, and no other variable of this environment. */
const commandEnvironment = (env: Environment, { databaseOwnerUrl }: Servers): Environment => {
  const names = settingNames()
  const known = Object.entries(env).filter(([name]) => names.has(name) || name.startsWith('SOURCE_'))
  const entry = firstOf(env.REPLAY_TOKENS)
  return {
    REPLAY_TOKEN: entry.slice(entry.indexOf(':') + 1),
    // No service has it.
    DATABASE_OWNER_URL: databaseOwnerUrl,
    ...Object.fromEntries(known),
  }
}

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

const influxSettings = (influx: InfluxServer | undefined, env: Environment): InfluxSettings | undefined =>
  influx && {
    influxUrl: influx.url,
    influxToken: env.INFLUX_TOKEN ?? '',
    influxOrg: env.INFLUX_ORG ?? 'default',
    influxBucket: env.INFLUX_BUCKET ?? 'cxone_metrics',
    influxTimeoutMs: 10_000,
    environment: env.METRIC_EXPORT_ENVIRONMENT!,
  }

/** The InfluxDB that is started here speaks InfluxQL; of a given one that is unknown. */
const oracleInflux = (
  config: StartConfig,
  settings: InfluxSettings | undefined,
): OracleInflux | undefined => {
  if (settings === undefined || config.influxUrl !== undefined) return undefined
  const { influxUrl: url, influxToken: token, environment, influxBucket } = settings
  // The database of a bucket comes before its retention policy.
  return { url, token, environment, database: influxBucket.split('/')[0]! }
}

const urlsOf = (config: StartConfig, servers: Servers): string[] => [
  `webhooks   http://127.0.0.1:${config.ingressPort}/webhooks/<source>   (metrics: /metrics)`,
  `console    http://127.0.0.1:${config.consolePort}/events/<event key>   (with -H @<WEIR_HOME>/run/console-headers)`,
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
      // Only Linux reports this.
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
