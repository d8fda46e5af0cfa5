import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { topicNames } from '@weir/contracts'
import { deleteState, isPortFree, stopLeftovers, tryLock } from '@weir/local-stack'
import { Closers } from '@weir/runtime'
import { readTruth, TruthLedger } from '@weir/truth'
import { runAftermath } from './aftermath/aftermath.ts'
import { alarmsIn, canLeaveOpen } from './judge/alarms.ts'
import { askOracle } from './judge/ask-oracle.ts'
import { GrowthWatch } from './judge/growth.ts'
import { judge, type Observed, type JudgeResult } from './judge/judge.ts'
import { Observer } from './judge/observe.ts'
import { GROUPS, untilQuiet } from './judge/quiet.ts'
import { watchStalls } from './judge/stalls.ts'
import { Load, type LoadOptions } from './load/load.ts'
import { shareOf } from './load/pace.ts'
import { isAftermath } from './plan/phases.ts'
import { crashPointsOf, INSTANCES, makePlan } from './plan/plan.ts'
import { describeFault, type Lane } from './plan/step.ts'
import { allInSync, openEnds } from './rig/cluster-state.ts'
import { unmountSmall } from './rig/breakable-brokers.ts'
import { findFaketime } from './rig/clock.ts'
import type { Instance } from './rig/instance.ts'
import { portsFrom } from './rig/layout.ts'
import { Nemesis } from './rig/nemesis.ts'
import { startServers } from './rig/servers.ts'
import { runWeir } from './rig/weir.ts'
import { CLOCK_SERVICE, notReady, READY_MS_MAX, startServices } from './rig/services.ts'
import type { RunOptions } from './run-options.ts'
import { exitsOf, notDoneOf, phasesOf, secs, stallOf, summarise } from './summarise.ts'
import { reportOf, type Summary } from './summary.ts'

export interface RunResult {
  readonly summary: Summary
  /** Markdown. */
  readonly report: string
}

const DUPLICATES = 0.2
const QUIET_MS_MAX = 240_000
/** With a planted defect it may never be quiet. */
const QUIET_MS_MAX_DEFECT = 45_000
/** The longest time for which a run waits for its faults after its last event. */
const OVERTIME_MS_MAX = 600_000
const PORTS = 100
const PROGRESS_MS = 10_000
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
    deleteState(folders)
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
  const instances = await startServices({ ...options, shape }, servers, serviceClock, closers)
  const ledger = TruthLedger.open(join(folders.state, 'truth'), `${tierName}${seed}`)
  closers.add(async () => ledger.close())
  const loadOptions = {
    seed,
    run: `f${seed}`,
    events,
    rate,
    duplicates: DUPLICATES,
    ledger,
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
    seed,
    servers,
    serviceClock,
    instances,
    load,
    topic: topics.received,
    progress,
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
  const judged = async (oracle: Observed['oracle']): Promise<JudgeResult> => {
    ledger.flush()
    const observed = {
      ...(await observer.everything()),
      openEnds: open,
      grown,
      surprises,
      broken,
      oracle,
      alarms: await alarmsIn(folders.logs, canLeaveOpen(lanes)),
      exits: exitsOf(instances),
      notDone: defect ? [] : notDoneOf(nemesis),
    }
    return judge(readTruth(join(folders.state, 'truth')), observed)
  }
  const verdict = await judged(await askOracle(folders, servers.urls, progress))
  const phases = [...phasesOf(run, lanes, nemesis.outcomes)]
  for (const phase of run.phases.filter(isAftermath)) {
    phases.push(
      await runAftermath(phase, {
        servers,
        instances,
        judge: () => judged(undefined),
        progress,
        send: (count) =>
          sendMore({ ...loadOptions, run: `f${seed}-${phase}`, events: count, lateAfterMs: 0 }),
        untilQuiet: (ms) => untilQuiet(servers.urls, observer, ms, progress),
        weir: (args) => runWeir({ urls: servers.serviceUrls, ports, folders }, args),
      }),
    )
  }
  const met = points.map((point) => ({ ...point, isHit: nemesis.hits.has(point.id) }))
  const summary = summarise(
    { options, verdict, load, nemesis, instances, servers, met, phases },
    {
      duration_s: secs((performance.now() - startedAt) / 1_000),
      drain_s: secs(drainSecs),
      requests_per_s: Math.round(load.counts.sent / loadSecs),
      rss_mb_max: rssMegabytesMax,
      rig_rss_mb_max: Math.round(process.resourceUsage().maxRSS / 1_024),
      ...stallOf(stalled, loadStartedAt),
    },
  )
  return { summary, report: reportOf(summary, nemesis.outcomes, met) }
}

const sendMore = async (options: Omit<LoadOptions, 'share'>): Promise<void> => {
  const load = new Load({ ...options, share: () => 1 })
  load.start()
  load.release()
  await load.finished.finally(() => load.close())
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
