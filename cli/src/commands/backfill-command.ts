import { topicNames } from '@weir/contracts'
import { backfill, RowFiller, type Backfilled, type BackfillOptions } from '@weir/persistence'
import { KnownFields } from '@weir/row-sink'
import { createLogger } from '@weir/runtime'
import { InvalidArgumentError, type Command } from 'commander'
import { loadBackfillConfig } from '../config.ts'
import { noted } from '../operator-notes.ts'
import { endRepaint, print, progress, repaint, type Stream } from '../output.ts'

/** Reports the progress of the job on stderr: in one updated line on a terminal, else in a line for each tenth. */
export class BackfillBar {
  readonly #stream: Stream
  #shown = -1

  constructor(stream: Stream) {
    this.#stream = stream
  }

  show({ share, lookedAt, filled }: { share: number; lookedAt: number; filled: number }): void {
    const steps = this.#stream.isTTY ? 100 : 10
    const step = Math.floor(share * steps)
    if (step === this.#shown) return
    this.#shown = step
    const bar = '#'.repeat(Math.floor(30 * share)).padEnd(30, '-')
    const line = `[${bar}] ${Math.floor(100 * share)}% rows examined ${lookedAt}   to fill ${filled}`
    repaint(line, this.#stream)
  }

  end(): void {
    if (this.#shown >= 0) endRepaint(this.#stream)
  }
}

/** What to print, and the exit code. */
export const describeBackfilled = (
  result: Backfilled,
  { source, dryRun }: { readonly source: string; readonly dryRun: boolean },
): { readonly text: string; readonly code: 0 | 1 } => {
  switch (result.kind) {
    case 'unknown':
      return { text: `no shape of the source ${source} is known: weir schema ls lists them`, code: 1 }
    case 'busy':
      return { text: `another backfill of ${source} is under way`, code: 1 }
    case 'stopped':
      return {
        text: `stopped after ${result.lookedAt} rows, ${result.filled} filled: repeat the command, and it continues`,
        code: 1,
      }
    case 'done': {
      const verb = dryRun ? 'lack something' : 'were filled'
      return { text: `${result.lookedAt} rows examined, ${result.filled} of ${source} ${verb}`, code: 0 }
    }
  }
}

const rate = (text: string): number => {
  const value = Number(text)
  if (!/^\d{1,6}$/.test(text) || value < 1)
    throw new InvalidArgumentError('must be a whole number from 1 to 999999.')
  return value
}

interface BackfillCommandOptions {
  readonly source: string
  readonly dryRun?: boolean
  readonly rate: number
}

const run = async ({ source, dryRun = false, rate: ratePerSec }: BackfillCommandOptions): Promise<void> => {
  const config = loadBackfillConfig()
  const known = new KnownFields(
    config,
    topicNames(config.topicPrefix).schemasObserved,
    createLogger('weir', 'silent'),
  )
  const filler = new RowFiller(config)
  const bar = new BackfillBar(process.stderr)
  const stopping = new AbortController()
  const stop = () => {
    stopping.abort()
  }
  process.once('SIGINT', stop).once('SIGTERM', stop)
  try {
    const options: BackfillOptions = {
      source,
      isDryRun: dryRun,
      ratePerSec,
      signal: stopping.signal,
      onProgress: (reached) => {
        bar.show(reached)
      },
    }
    const fill = () => backfill(known, filler, options)
    const result = await (dryRun ? fill() : noted(config, 'rows.backfill', { source }, fill))
    bar.end()
    const { text, code } = describeBackfilled(result, { source, dryRun })
    if (code === 0) print(text)
    else progress(text)
    process.exitCode = code
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop)
    await known.close()
    await filler.close()
  }
}

/** `weir backfill`: a step that an operator takes; no service does it. */
export const addBackfillCommand = (program: Command): void => {
  program
    .command('backfill')
    .description(
      'Fills the rows of a source with a null for each field that became known later, and with the number of their shape.',
    )
    .requiredOption('--source <name>', 'the source')
    .option('--dry-run', 'only count the incomplete rows')
    .option('--rate <n>', 'most rows examined per second', rate, 5_000)
    .addHelpText(
      'after',
      '\nReads DATABASE_URL and the Kafka settings. Services may run. Repeat it after an interruption: it continues.\nSee docs/operations/schemas.md.',
    )
    .action(run)
}
