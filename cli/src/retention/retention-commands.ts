import {
  planRetention,
  Retention,
  runRetention,
  type DeletedRows,
  type RetentionOptions,
} from '@weir/persistence'
import { InvalidArgumentError, type Command } from 'commander'
import { loadRetentionConfig, type RetentionConfig } from '../config.ts'
import { operatorName, withNotes } from '../operator-notes.ts'
import { print, printJson, printRows, progress, withJson, type OutputOptions, type Row } from '../output.ts'
import { describeAge, parseAge, requireAge, retentionFloor } from './retention-floor.ts'

const COLUMNS = { source: 'SOURCE', events: 'EVENTS', interactions: 'INTERACTIONS' }
const RUN_COLUMNS = {
  id: 'RUN',
  startedAt: 'STARTED',
  startedBy: 'BY',
  storedBefore: 'STORED BEFORE',
  finishedAt: 'FINISHED',
  lookedAt: 'ROWS LOOKED AT',
  held: 'HELD',
  deleted: 'DELETED',
}
const RUNS_SHOWN = 100

interface AgeOptions {
  readonly olderThan: number
  readonly rate: number
}

const age = (text: string): number => {
  const secs = parseAge(text)
  if (secs === undefined) throw new InvalidArgumentError('must be an age such as 400d, 36h or 90m.')
  return secs
}

const rate = (text: string): number => {
  const value = Number(text)
  if (!/^\d{1,6}$/.test(text) || value < 1) {
    throw new InvalidArgumentError('must be a whole number from 1 to 999999.')
  }
  return value
}

const withRetention = async (
  use: (retention: Retention, config: RetentionConfig) => Promise<void>,
): Promise<void> => {
  const config = loadRetentionConfig()
  const retention = new Retention(config)
  try {
    await use(retention, config)
  } finally {
    await retention.close()
  }
}

const optionsOf = ({ olderThan, rate: ratePerSec }: AgeOptions): RetentionOptions => ({
  ageSecs: olderThan,
  ratePerSec,
})

const showPlan = async (
  retention: Retention,
  config: RetentionConfig,
  options: AgeOptions,
  { json = false }: OutputOptions = {},
): Promise<void> => {
  requireAge(options.olderThan, await retentionFloor(config, config))
  const { storedBefore, lookedAt, held, deleted } = await planRetention(retention, optionsOf(options))
  if (json) {
    printJson({ storedBefore, lookedAt, held, deleted })
    return
  }
  print(
    `rows stored before ${storedBefore.toISOString()} would be deleted; ${lookedAt} rows examined, ${held} held`,
  )
  printRows(COLUMNS, deleted as unknown as readonly Row[], {})
}

/** Until SIGINT or SIGTERM, which end the run after its current chunk. */
const untilStopped = async <T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> => {
  const stopping = new AbortController()
  const stop = (): void => {
    stopping.abort()
  }
  process.once('SIGINT', stop).once('SIGTERM', stop)
  try {
    return await run(stopping.signal)
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
}

const countsOf = (deleted: readonly DeletedRows[]): Readonly<Record<string, unknown>> =>
  Object.fromEntries(deleted.map(({ source, events, interactions }) => [source, { events, interactions }]))

const deleteRows = (retention: Retention, config: RetentionConfig, options: AgeOptions): Promise<void> =>
  withNotes(config, async (note) => {
    const { olderThan } = options
    requireAge(olderThan, await retentionFloor(config, config))
    const begun = await retention.unfinished(olderThan)
    await note('retention.run', {
      olderThan: describeAge(olderThan),
      ...(begun && { continues: begun.id, storedBefore: begun.storedBefore.toISOString() }),
    })
    const run = begun ?? (await retention.start(olderThan, operatorName()))
    if (begun)
      progress(
        `run ${run.id} was cut off: it continues with rows stored before ${run.storedBefore.toISOString()}`,
      )
    const { isFinished } = await untilStopped((signal) =>
      runRetention(retention, run, { ...optionsOf(options), signal }),
    )
    const deleted = await retention.receipt(run.id)
    await note(isFinished ? 'retention.done' : 'retention.stopped', {
      run: run.id,
      deleted: countsOf(deleted),
    })
    print(
      `run ${run.id} ${isFinished ? 'is finished' : 'was stopped: repeat the command, and it continues'}; deleted:`,
    )
    printRows(COLUMNS, deleted as unknown as readonly Row[], {})
    process.exitCode = isFinished ? 0 : 1
  })

const run = ({ yes = false, ...options }: AgeOptions & { readonly yes?: boolean }): Promise<void> =>
  withRetention(async (retention, config) => {
    if (yes) return deleteRows(retention, config, options)
    await showPlan(retention, config, options)
    progress('Nothing was deleted: give --yes.')
  })

const listRuns = ({ json = false }: OutputOptions): Promise<void> =>
  withRetention(async (retention) => {
    const rows: Row[] = []
    for (const { startedAt, storedBefore, finishedAt, ...one } of await retention.runs(RUNS_SHOWN)) {
      rows.push({
        ...one,
        startedAt: startedAt.toISOString(),
        storedBefore: storedBefore.toISOString(),
        finishedAt: finishedAt?.toISOString(),
        deleted: countsOf(await retention.receipt(one.id)),
      })
    }
    printRows(RUN_COLUMNS, rows, { json })
  })

const withAge = (command: Command): Command =>
  command
    .requiredOption('--older-than <age>', 'counted from when a row was stored: 400d, 36h, 90m', age)
    .option('--rate <n>', 'most rows examined per second', rate, 5_000)

/** `weir retention ...`: a step that a person or a timer takes, never a service. */
export const addRetentionCommands = (program: Command): void => {
  const retention = program
    .command('retention')
    .description(
      'Deletes old rows of events and interactions, except of held subjects. Needs DATABASE_OWNER_URL.',
    )
  withJson(withAge(retention.command('plan')))
    .description('Counts what a run would delete now, and changes nothing.')
    .action(({ json = false, ...options }: AgeOptions & OutputOptions) =>
      withRetention((rows, config) => showPlan(rows, config, options, { json })),
    )
  withAge(retention.command('run'))
    .description(
      'Without --yes the same as plan. Services may run. Repeat it after an interruption: it continues.',
    )
    .option('--yes', 'delete')
    .addHelpText('after', '\nSee docs/operations/retention.md.')
    .action(run)
  withJson(retention.command('ls'))
    .description('The receipts: each run, the latest first, with the rows that it deleted of each source.')
    .action(listRuns)
}
