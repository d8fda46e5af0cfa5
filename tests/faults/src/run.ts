import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { TOPIC_SPECS, topicNames } from '@weir/contracts'
import { ensureTopics } from '@weir/kafka'
import { isPortFree, lastLines, ROOT, stopLeftovers, tryLock, type Folders } from '@weir/local-stack'
import { Closers, createLogger } from '@weir/service-kit'
import { readTruth, TruthLedger } from '@weir/truth'
import { runAftermath } from './aftermath/aftermath.ts'
import { defectCommand, type Defect } from './defects/defects.ts'
import { alarmsIn } from './judge/alarms.ts'
import { askOracle } from './judge/ask-oracle.ts'
import { GrowthWatch } from './judge/growth.ts'
import { judge, type Observed, type Verdict } from './judge/judge.ts'
import { Observer } from './judge/observe.ts'
import { GROUPS, untilQuiet } from './judge/quiet.ts'
import { watchStalls, type Stall } from './judge/stalls.ts'
import { Load } from './load/load.ts'
import { shareOf } from './load/pace.ts'
import { NOT_BUILT } from './plan/crash-points.ts'
import { endOf, isAftermath } from './plan/phases.ts'
import { crashPointsOf, FURTHER_INSTANCE, INSTANCES, makePlan } from './plan/plan.ts'
import type { RunSpec } from './plan/runs.ts'
import { describeFault, type Lane } from './plan/step.ts'
import type { Tier } from './plan/tiers.ts'
import { allInSync, openEnds } from './rig/cluster-state.ts'
import { unmountSmall } from './rig/breakable-brokers.ts'
import { findFaketime, type SteppedClock } from './rig/clock.ts'
import { Instance } from './rig/instance.ts'
import { instanceEnvironment, kafkaSettings, mainFile, portsFrom, SERVICE_KINDS } from './rig/layout.ts'
import { Nemesis, type Outcome } from './rig/nemesis.ts'
import { startServers, type Servers } from './rig/servers.ts'
import { checksOf, reportOf, type MetPoint, type PhaseResult, type Summary } from './summary.ts'

export interface RunOptions {
  readonly tierName: string
  readonly tier: Tier
  readonly run: RunSpec
  readonly seed: number
  readonly defect?: Defect | undefined
  readonly folders: Folders
  readonly portBase: number
  readonly progress: (text: string) => void
  /** Rejects when the run is to end before its time. */
  readonly stopped: Promise<never>
}

export interface RunResult {
  readonly summary: Summary
  /** Markdown. */
  readonly report: string
}

const DUPLICATES = 0.2
const READY_MS_MAX = 300_000
const QUIET_MS_MAX = 240_000
/** With a planted defect it may never be quiet. */
const QUIET_MS_MAX_DEFECT = 45_000
/** After its events a run goes on for at most so long until all faults are done. */
const OVERTIME_MS_MAX = 600_000
const PORTS = 100
const PROGRESS_MS = 10_000
/** Whose clock can be stepped, in a breakable rig. */
const CLOCK_SERVICE = 'dedup-1'
const NO_CLOCK = 'this rig has no clocks of its own'
const topics = topicNames()

/** One run: the servers, two of each service, load and faults side by side, then quiet, then the verdict. */
export const runOnce = async (options: RunOptions): Promise<RunResult> => {
  const { folders, progress } = options
  const closers = new Closers()
  try {
    const release = tryLock(join(folders.run, 'faults.lock'))
    if (typeof release === 'number') throw new Error(`a run is under way here, as process ${release}`)
    closers.add(async () => release())
    await stopLeftovers(folders.run)
    await requireFreePorts(options.portBase)
    unmountSmall(folders)
    rmSync(folders.state, { recursive: true, force: true })
    rmSync(folders.logs, { recursive: true, force: true })
    mkdirSync(folders.state, { recursive: true })
    return await Promise.race([runIn(options, closers), options.stopped])
  } finally {
    await closers.close().catch((error: unknown) => progress(`while stopping: ${(error as Error).message}`))
  }
}

/** A rig that meets another's servers would break, and judge, those. */
const requireFreePorts = async (base: number): Promise<void> => {
  for (let port = base; port < base + PORTS; port++) {
    if (!(await isPortFree(port)))
      throw new Error(`port ${port} is in use: set FAULTS_PORT_BASE to the first of ${PORTS} free ones`)
  }
}

const runIn = async (options: RunOptions, closers: Closers): Promise<RunResult> => {
  const { tierName, tier, seed, run, defect, folders, progress } = options
  const { events, rate, shape } = run
  const startedAt = performance.now()
  const ports = portsFrom(options.portBase)
  progress(`starting ${shape.brokers} broker(s), PostgreSQL, the registry and InfluxDB`)
  const servers = await startServers({ folders, ports, shape }, closers)
  const hasInflux = servers.influx !== undefined
  if (!hasInflux)
    progress('InfluxDB is not built here (npm start and npm test build it): metric-export writes nothing')
  const serviceClock = shape.isBreakable ? findFaketime(folders, CLOCK_SERVICE) : NO_CLOCK
  const instances = await startServices(options, servers, serviceClock, closers)
  const ledger = TruthLedger.open(join(folders.state, 'truth'), `${tierName}${seed}`)
  closers.add(async () => ledger.close())
  const loadOptions = {
    ...{ seed, run: `f${seed}`, events, rate, duplicates: DUPLICATES, ledger },
    lateAfterMs: defect === undefined ? run.lateAfterMs : tier.lateAfterMs,
    targets: INSTANCES.map((index) => `http://127.0.0.1:${ports.service('ingress', index)}`),
  }
  const load: Load = new Load({
    ...loadOptions,
    share: (progress) => shareOf(progress, nemesis.earliestAt, stalls.backlog()),
  })
  closers.add(() => load.close())

  const planned = { seed, tier, run, hasInflux }
  const lanes = defect?.lanes ?? makePlan(planned)
  const points = defect ? [] : crashPointsOf(planned)
  printPlan(lanes, progress)
  const nemesis: Nemesis = new Nemesis({
    ...{ seed, servers, serviceClock, instances, load, topic: topics.received, progress },
  })
  const growth = new GrowthWatch(
    () =>
      new Map(
        instances.flatMap(({ name, incarnation, pid }) =>
          pid === undefined ? [] : [[`${name} (process ${incarnation})`, pid] as const],
        ),
      ),
  )
  const stalls = watchStalls(() => openEnds(servers.urls.kafkaBrokers, GROUPS))
  closers.add(() => Promise.resolve(stalls.stop()))
  const loadStartedAt = performance.now()
  await underLoad(load, nemesis, lanes, instances, progress)
  const loadSecs = (performance.now() - loadStartedAt) / 1_000
  ledger.flush()

  progress('waiting until all is quiet')
  const drainStartedAt = performance.now()
  const broken = await notReady(instances, defect ? QUIET_MS_MAX_DEFECT : READY_MS_MAX)
  await allInSync(servers.urls.kafkaBrokers, READY_MS_MAX)
  const observer = new Observer(servers.urls)
  closers.add(() => observer.close())
  const open = await untilQuiet(servers.urls, observer, defect ? QUIET_MS_MAX_DEFECT : QUIET_MS_MAX, progress)
  const stalled = stalls.stop()
  const drainSecs = (performance.now() - drainStartedAt) / 1_000
  const { grown, judged: watched, rssMegabytesMax } = growth.stop()
  progress(`judging; ${watched} processes lived long enough to be judged for growth`)
  const surprises = [...load.counts.surprises].map(([status, count]) => `${count} answers ${status}`)
  const judged = async (oracle: Observed['oracle']): Promise<Verdict> => {
    ledger.flush()
    const observed = {
      ...(await observer.everything()),
      ...{ openEnds: open, grown, surprises, broken, oracle, alarms: await alarmsIn(folders.logs) },
      ...{ exits: exitsOf(instances), notDone: defect ? [] : notDoneOf(nemesis) },
    }
    return judge(readTruth(join(folders.state, 'truth')), observed)
  }
  const verdict = await judged(await askOracle(folders, servers.urls, progress))
  const phases = [...phasesOf(run, lanes, nemesis.outcomes)]
  for (const phase of run.phases.filter(isAftermath)) {
    const send = async (count: number): Promise<void> => {
      const more = new Load({
        ...loadOptions,
        run: `f${seed}-${phase}`,
        events: count,
        lateAfterMs: 0,
        share: () => 1,
      })
      more.start()
      more.release()
      await more.finished.finally(() => more.close())
    }
    phases.push(
      await runAftermath(phase, {
        ...{ servers, instances, send, judge: () => judged(undefined), progress },
        untilQuiet: (ms) => untilQuiet(servers.urls, observer, ms, progress),
      }),
    )
  }
  const met = points.map((point) => ({ ...point, isHit: nemesis.hits.has(point.id) }))
  const summary = summarise(
    { options, verdict, load, nemesis, instances, servers, met, phases },
    {
      ...{ duration_s: secs((performance.now() - startedAt) / 1_000), drain_s: secs(drainSecs) },
      ...{ requests_per_s: Math.round(load.counts.sent / loadSecs), rss_mb_max: rssMegabytesMax },
      rig_rss_mb_max: Math.round(process.resourceUsage().maxRSS / 1_024),
      ...stallOf(stalled, loadStartedAt),
    },
  )
  return { summary, report: reportOf(summary, nemesis.outcomes, met) }
}

/** Of each phase, whether all its faults were done. */
const phasesOf = (
  { phases }: RunSpec,
  lanes: readonly Lane[],
  outcomes: readonly Outcome[],
): readonly PhaseResult[] =>
  phases
    .filter((phase) => !isAftermath(phase))
    .map((phase) => {
      const planned = lanes.flatMap(({ steps }) => steps).filter((step) => step.phase === phase).length
      const tried = outcomes.filter((outcome) => outcome.phase === phase)
      const missed = tried.filter(({ missed: why }) => why !== undefined)
      const end = Math.max(0, ...tried.map(({ atMs, tookMs }) => atMs + tookMs))
      const begin = Math.min(end, ...tried.map(({ atMs }) => atMs))
      return {
        ...{ phase, expected: endOf(phase), planned, done: tried.length - missed.length },
        ...{ took_s: secs((end - begin) / 1_000), ok: tried.length === planned && missed.length === 0 },
        missed: missed.map(({ fault, missed: why }) => `${fault}: ${why!}`),
      }
    })

const exitsOf = (instances: readonly Instance[]): readonly string[] =>
  instances
    .flatMap(({ ends }) => ends)
    .filter(({ cause }) => cause === 'itself')
    .map(
      ({ instance, exit, livedMs, logFile }) =>
        `${instance} after ${Math.round(livedMs / 1_000)} s with ${exit.code ?? exit.signal}: ${lastWords(logFile)}`,
    )

const notDoneOf = ({ outcomes }: Nemesis): readonly string[] =>
  outcomes.flatMap(({ target, fault, missed }) =>
    missed === undefined ? [] : [`${target}: ${fault}: ${missed}`],
  )

const stallOf = (stall: Stall | undefined, loadStartedAt: number) => ({
  stall_s_max: secs((stall?.ms ?? 0) / 1_000),
  stalled: stall === undefined ? '' : `${stall.what}, until ${secs((stall.until - loadStartedAt) / 1_000)} s`,
})

const secs = (value: number): number => Math.round(value * 10) / 10

const startServices = async (
  { folders, portBase, defect, run, progress }: RunOptions,
  servers: Servers,
  serviceClock: SteppedClock | string,
  closers: Closers,
): Promise<readonly Instance[]> => {
  const { urls, serviceUrls } = servers
  const ports = portsFrom(portBase)
  await ensureTopics({
    ...{ settings: kafkaSettings(urls), logger: createLogger('faults', 'warn'), specs: TOPIC_SPECS },
    ...{ replicationFactor: run.shape.brokers, minInsyncReplicas: Math.max(1, run.shape.brokers - 1) },
  })
  await allInSync(urls.kafkaBrokers, READY_MS_MAX)
  const instances = SERVICE_KINDS.flatMap((kind) =>
    [...INSTANCES, FURTHER_INSTANCE].map(
      (index) =>
        new Instance({
          ...{ kind, index, folders, port: ports.service(kind, index) },
          command: [...defectCommand(defect), mainFile(kind)],
          env: {
            ...instanceEnvironment(kind, index, { urls: serviceUrls, ports, folders }),
            ...(typeof serviceClock !== 'string' && `${kind}-${index}` === CLOCK_SERVICE && serviceClock.env),
            ...defect?.env,
          },
        }),
    ),
  )
  for (const instance of instances) {
    if (!instance.name.endsWith(`-${FURTHER_INSTANCE}`)) instance.start()
  }
  closers.add(() => Promise.all(instances.map((instance) => instance.stop())))
  const late = await notReady(instances, READY_MS_MAX)
  if (late.length > 0) throw new Error(`not ready after ${READY_MS_MAX / 1_000} s: ${late.join(', ')}`)
  progress(`${instances.filter(({ isWanted }) => isWanted).length} services are ready`)
  return instances
}

/** Which instances are not ready within the time. */
const notReady = async (instances: readonly Instance[], ms: number): Promise<readonly string[]> => {
  const deadline = performance.now() + ms
  for (;;) {
    const wanted = instances.filter(({ isWanted }) => isWanted)
    const ready = await Promise.all(wanted.map((instance) => instance.isReady()))
    const late = wanted.filter((_, index) => ready[index] !== true).map(({ name }) => name)
    if (late.length === 0 || performance.now() > deadline) return late
    await sleep(250)
  }
}

const printPlan = (lanes: readonly Lane[], progress: (text: string) => void): void => {
  progress('the plan, by the part of the events that is sent before each fault:')
  for (const { target, steps } of lanes) {
    for (const step of steps) progress(`  ${step.at.toFixed(3)}  ${target}: ${describeFault(step)}`)
  }
}

const underLoad = async (
  load: Load,
  nemesis: Nemesis,
  lanes: readonly Lane[],
  instances: readonly Instance[],
  progress: (text: string) => void,
): Promise<void> => {
  load.start()
  const timer = setInterval(() => {
    const { sent, ok, info, fail } = load.counts
    const ends = instances.reduce((sum, one) => sum + one.ends.length, 0)
    const part = (load.progress * 100).toFixed(0)
    progress(
      `${part}% of the events; sent ${sent} ok ${ok} info ${info} fail ${fail} waiting ${load.waiting}; ends ${ends}`,
    )
  }, PROGRESS_MS)
  const overtime = async (): Promise<void> => {
    while (load.progress < 1) await sleep(PROGRESS_MS / 10)
    await sleep(OVERTIME_MS_MAX, undefined, { ref: false })
    nemesis.stop()
  }
  try {
    await Promise.race([nemesis.run(lanes), overtime()])
    while (load.progress < 1) await sleep(PROGRESS_MS / 10)
    load.release()
    await load.finished
  } finally {
    clearInterval(timer)
  }
}

/** The commit that is checked out, with `-dirty` when files differ from it; empty outside of a repository. */
const versionOf = (): string => {
  const git = spawnSync('git', ['describe', '--always', '--dirty', '--abbrev=12', '--exclude=*'], {
    ...({ cwd: ROOT, encoding: 'utf8' } as const),
  })
  return git.status === 0 ? git.stdout.trim() : ''
}

/** What a process said last: of a log line the error's message alone, without stack and paths. */
const lastWords = (logFile: string): string => {
  const line = lastLines(logFile, 1)
  try {
    const { msg, err } = JSON.parse(line) as { msg?: string; err?: { message?: string } }
    return err?.message ?? msg ?? ''
  } catch {
    return line.slice(0, 200)
  }
}

const summarise = (
  run: {
    readonly options: RunOptions
    readonly verdict: Verdict
    readonly load: Load
    readonly nemesis: Nemesis
    readonly instances: readonly Instance[]
    readonly servers: Servers
    readonly met: readonly MetPoint[]
    readonly phases: readonly PhaseResult[]
  },
  measured: Pick<
    Summary,
    'duration_s' | 'drain_s' | 'requests_per_s' | 'rss_mb_max' | 'rig_rss_mb_max' | 'stall_s_max' | 'stalled'
  >,
): Summary => {
  const { options, verdict, load, nemesis, instances, servers, met, phases } = run
  const missed = met.flatMap(({ id, isHit }) => (isHit ? [] : [id]))
  const { invariants, ids, lost, duplicated } = verdict
  const ends = instances.flatMap((instance) => instance.ends)
  const killed = ends.filter(({ cause }) => cause === 'killed' || cause === 'failpoint')
  const byService = Object.fromEntries(
    SERVICE_KINDS.map((kind) => [
      kind,
      killed.filter(({ instance }) => instance.startsWith(`${kind}-`)).length,
    ]),
  )
  const pauses = nemesis.outcomes.filter(
    ({ fault, missed: why }) => fault.includes('pause') && why === undefined,
  )
  return {
    ...{ tier: options.tierName, seed: options.seed, events: load.created },
    ...{ run: options.run.name, events_wanted: options.run.events, events_of_tier: options.tier.events },
    ...{ ok: load.counts.ok, info: load.counts.info, fail: load.counts.fail, ids, lost, duplicated },
    ...{ kills: killed.length, kills_by_service: byService },
    broker_kills: servers.brokers.reduce((sum, { kills }) => sum + kills, 0),
    ...{
      postgres_kills: servers.postgres.kills,
      registry_kills: servers.registry.kills,
      pauses: pauses.length,
    },
    ...{ crash_points_hit: met.length - missed.length, crash_points_total: met.length },
    crash_points_missed: missed,
    crash_points_not_built: NOT_BUILT.map(({ id }) => id),
    ...{ invariants_failed: invariants.filter(({ holds }) => !holds).length, invariants },
    unexpected_exits: exitsOf(instances),
    faults_not_done: notDoneOf(nemesis),
    ...measured,
    latency_p50_ms: load.counts.latency.quantile(0.5),
    latency_p99_ms: load.counts.latency.quantile(0.99),
    version: versionOf(),
    ...(options.defect && { defect: options.defect.name }),
    phases,
    checks: checksOf(invariants, met, phases),
  }
}
