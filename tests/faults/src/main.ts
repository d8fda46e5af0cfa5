import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { folders as foldersOf, StoppedError, watchForStop, weirHome } from '@weir/local-stack'
import { Command, InvalidArgumentError, Option } from 'commander'
import { loadConfig } from './config.ts'
import { defectCommand, DEFECTS, type Defect } from './defects/defects.ts'
import { PHASES, type Phase } from './plan/phases.ts'
import { runsOf, type RunSpec } from './plan/runs.ts'
import { TIER_NAMES, TIERS, type Tier, type TierName } from './plan/tiers.ts'
import { runOnce, type RunResult } from './run.ts'
import { describeSummary, isRight, type Summary } from './summary.ts'

interface Options {
  readonly tier: TierName
  readonly events?: number
  readonly rate?: number
  readonly seed: number
  readonly summary?: string
  readonly report?: string
  readonly defect?: string
  readonly only?: Phase
  readonly keep?: boolean
}

const whole =
  (min: number, max: number) =>
  (text: string): number => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`must be a whole number from ${min} to ${max}.`)
    }
    return value
  }

/** Enough for what a defect's run inflicts. */
const DEFECT_EVENTS = 6_000

const startedAt = Date.now()
const progress = (text: string): void => {
  const at = ((Date.now() - startedAt) / 1_000).toFixed(0).padStart(5)
  process.stderr.write(`${at} s  ${text}\n`)
}

const stop = watchForStop()

const program = new Command('faults')
  .description(
    'Kills, pauses and breaks a whole Weir under load, and checks that no event is lost or doubled.',
  )
  .showHelpAfterError()
  // A wrong call is 2, as for `weir`.
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .addOption(new Option('--tier <name>', 'how much of everything').choices(TIER_NAMES).default('ci'))
  .addOption(
    new Option('--events <n>', 'different events (default: the tier’s)').argParser(whole(100, 50_000_000)),
  )
  .addOption(
    new Option('--rate <n>', 'requests per second at most (default: the tier’s)').argParser(whole(1, 20_000)),
  )
  .addOption(
    new Option('--seed <n>', 'of traffic and plan: the same seed repeats both').argParser(
      whole(0, 4_294_967_295),
    ),
  )
  .addOption(new Option('--only <phase>', 'only these faults').choices(PHASES))
  .addOption(
    new Option('--defect <name>', 'plant a defect and inflict what exposes it: the run must fail').choices(
      DEFECTS.map(({ name }) => name),
    ),
  )
  .option('--summary <file>', 'write the result as JSON')
  .option('--report <file>', 'write a report as Markdown')
  .option('--keep', 'keep data and logs, whatever the result')
  .addHelpText(
    'after',
    `
Exit code: 0 when every invariant holds and every crash point was met; 1 when not; 2 when it could not run.
Data and logs are in .weir/faults (WEIR_HOME); they are deleted when the run is right. FAULTS_PORT_BASE (25000) is the
first of the 100 ports it takes.`,
  )

/** Runs this command once more, with the defect in the rig's own code, too. */
const runPlanted = async (defect: Defect): Promise<number> => {
  const child = spawn(process.execPath, [...defectCommand(defect), ...process.argv.slice(1)], {
    stdio: 'inherit',
  })
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 2
}

const runAll = async (options: Options): Promise<number> => {
  const { portBase } = loadConfig()
  const folders = foldersOf(weirHome(), 'faults')
  const base = TIERS[options.tier]
  const defect = DEFECTS.find(({ name }) => name === options.defect)
  if (defect?.isInRig && !process.execArgv.includes('--import')) return runPlanted(defect)
  const tier = { ...base, rate: options.rate ?? base.rate, ...(defect && { lateAfterMs: 10_000 }) }
  const seed = options.seed
  const total = options.events ?? (defect ? DEFECT_EVENTS : tier.events)
  const results: RunResult[] = []
  for (const run of runsFor({ tier, total, only: options.only, defect })) {
    const runSeed = seed + results.length
    const name = run.name === '' ? '' : `, ${run.name}`
    progress(
      `tier ${options.tier}${name}, ${run.events} events, seed ${runSeed}${defect ? `, defect ${defect.name}` : ''}`,
    )
    const result = await runOnce({
      tierName: options.tier,
      tier,
      run,
      seed: runSeed,
      defect,
      folders,
      portBase,
      progress,
      stopped: stop.requested,
    })
    results.push(result)
    process.stdout.write(`${describeSummary(result.summary)}\n`)
    if (!isRight(result.summary)) break
  }
  const last = results.at(-1)!.summary
  const right = results.every(({ summary }) => isRight(summary))
  if (options.summary !== undefined)
    writeFileSync(options.summary, `${JSON.stringify(merge(results), null, 2)}\n`)
  if (options.report !== undefined)
    writeFileSync(options.report, results.map(({ report }) => report).join('\n'))
  if (defect !== undefined) {
    const invariants = last.invariants.filter(({ holds }) => !holds).map(({ id }) => `invariant ${id}`)
    const phases = last.phases.filter(({ ok }) => !ok).map(({ phase }) => `phase ${phase}`)
    const by = [...invariants, ...phases].join(', ')
    progress(right ? `${defect.name} was NOT caught` : `${defect.name} was caught by ${by}`)
  }
  if (right && !options.keep) rmSync(folders.state, { recursive: true, force: true })
  else progress(`data and logs are in ${folders.state} and ${folders.logs}`)
  return right ? 0 : 1
}

/** More events than a segment's are sent in runs of their own; a defect's run has its own faults alone. */
const runsFor = ({
  tier,
  total,
  only,
  defect,
}: {
  readonly tier: Tier
  readonly total: number
  readonly only: Phase | undefined
  readonly defect: Defect | undefined
}): readonly RunSpec[] => {
  const first = Math.min(tier.segmentEvents, total)
  const runs = runsOf(tier, defect?.aftermath ?? only, first)
  if (defect !== undefined) return [{ ...runs[0]!, phases: defect.aftermath ? [defect.aftermath] : [] }]
  const segments = [...runs]
  for (let done = first; done < total; done += tier.segmentEvents) {
    segments.push({ ...runs[0]!, events: Math.min(tier.segmentEvents, total - done) })
  }
  return segments
}

/** One result of several runs: counts are summed, checks are listed, the rest is the first one's. */
const merge = (results: readonly RunResult[]): Summary => {
  const all = results.map(({ summary }) => summary)
  const named = <T extends { readonly name: string }>(of: (summary: Summary) => readonly T[]): T[] =>
    all.flatMap((summary) =>
      of(summary).map((one) => ({
        ...one,
        name: summary.run === '' ? one.name : `${summary.run}: ${one.name}`,
      })),
    )
  const sum = (of: (summary: Summary) => number): number => all.reduce((total, one) => total + of(one), 0)
  return {
    ...all[0]!,
    invariants: named(({ invariants }) => invariants),
    checks: named(({ checks }) => checks),
    phases: all.flatMap(({ phases }) => phases),
    unexpected_exits: all.flatMap(({ unexpected_exits }) => unexpected_exits),
    faults_not_done: all.flatMap(({ faults_not_done }) => faults_not_done),
    crash_points_missed: all.flatMap(({ crash_points_missed }) => crash_points_missed),
    crash_points_hit: sum(({ crash_points_hit }) => crash_points_hit),
    crash_points_total: sum(({ crash_points_total }) => crash_points_total),
    pauses: sum(({ pauses }) => pauses),
    events: sum(({ events }) => events),
    events_wanted: sum(({ events_wanted }) => events_wanted),
    ok: sum(({ ok }) => ok),
    info: sum(({ info }) => info),
    fail: sum(({ fail }) => fail),
    lost: sum(({ lost }) => lost),
    duplicated: sum(({ duplicated }) => duplicated),
    kills: sum(({ kills }) => kills),
    broker_kills: sum(({ broker_kills }) => broker_kills),
    invariants_failed: sum(({ invariants_failed }) => invariants_failed),
    duration_s: sum(({ duration_s }) => duration_s),
  }
}

program.action(async (given: Omit<Options, 'seed'> & { readonly seed?: number }) => {
  try {
    process.exitCode = await runAll({ ...given, seed: given.seed ?? Date.now() % 1_000_000 })
  } catch (error) {
    if (error instanceof StoppedError) {
      progress(`stopped (${error.message})`)
      process.exitCode = 130
      return
    }
    progress(`the run has failed: ${(error as Error).stack ?? ''}`)
    process.exitCode = 2
  }
})

await program.parseAsync()
// Sockets of servers that are gone may linger.
process.exit()
