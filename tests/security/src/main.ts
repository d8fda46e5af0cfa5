import { writeFileSync } from 'node:fs'
import { Command, InvalidArgumentError, Option } from 'commander'
import { rowText, summarise } from './report.ts'
import { openRig } from './rig/rig.ts'
import type { Tier } from './tier.ts'
import { allCases, runCases, select } from './suite.ts'

interface Options {
  readonly summary?: string
  readonly tier: Tier
  readonly only?: string
  readonly firstPort?: number
}

const port = (text: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1_024 || value > 65_000)
    throw new InvalidArgumentError('must be a port from 1024 to 65000.')
  return value
}

const progress = (text: string): void => {
  process.stderr.write(`${text}\n`)
}

/** Exit code 0: every row is as expected; 1: one differs; 2: it could not run. */
const run = async ({ summary: file, tier, only, firstPort }: Options): Promise<number> => {
  const startedAt = performance.now()
  const rig = await openRig({ tier, progress, ...(firstPort !== undefined && { firstPort }) })
  const stop = (): void => {
    void rig.close().finally(() => process.exit(130))
  }
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  try {
    const cases = select(allCases(rig), tier, only)
    if (cases.length === 0) throw new Error(`no row's name contains ${only ?? ''}`)
    const results = await runCases(rig, cases, (result) => process.stdout.write(`${rowText(result)}\n`))
    const summary = summarise(tier, (performance.now() - startedAt) / 1_000, results)
    process.stdout.write(`${summary.rows} rows, ${summary.differences} differences, ${summary.secs} s\n`)
    if (file !== undefined) writeFileSync(file, `${JSON.stringify(summary, undefined, 2)}\n`)
    return summary.differences === 0 ? 0 : 1
  } finally {
    await rig.close()
  }
}

const program = new Command('security')
  .description('Attacks a running Weir and compares what is seen with what must be seen.')
  .option('--summary <file>', 'write {rows, differences, cases} as JSON')
  .addOption(
    new Option('--tier <tier>', 'short: what CI runs; full: everything')
      .choices(['short', 'full'])
      .default('full'),
  )
  .option('--only <name>', 'only rows whose name contains this')
  .addOption(
    new Option('--first-port <port>', 'use twelve ports from here (default: free ones)').argParser(port),
  )
  .showHelpAfterError()
  // A wrong call is 2, as for `weir`.
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .action(async (options: Options) => {
    process.exitCode = await run(options).catch((error: unknown) => {
      progress(`The suite could not run: ${(error as Error).message}`)
      return 2
    })
  })

await program.parseAsync()
process.exit()
