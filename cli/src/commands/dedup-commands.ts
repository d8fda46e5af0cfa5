import { InvalidArgumentError, type Command } from 'commander'
import { service as dedup, rebuildState, repartition } from '@weir/dedup'
import { RetriableError, TransactionError } from '@weir/kafka'
import { environment } from '../config.ts'
import { noted } from '../operator-notes.ts'
import { progress } from '../output.ts'

const count = (text: string): number => {
  if (!/^\d{1,4}$/.test(text)) throw new InvalidArgumentError('must be a whole number.')
  return Number(text)
}

/** Adds advice to a failure that is temporary. */
const repeatable =
  <O>(act: (options: O) => Promise<void>) =>
  async (options: O): Promise<void> => {
    try {
      await act(options)
    } catch (error) {
      if (!(error instanceof RetriableError || error instanceof TransactionError)) throw error
      throw new Error(`${error.message}. Repeat the command: it continues.`, { cause: error })
    }
  }

/** `weir dedup ...`: repairs and moves the state while dedup is stopped. */
export const addDedupCommands = (program: Command): void => {
  const commands = program
    .command('dedup')
    .description("Repairs and moves dedup's state while it is stopped. Settings come from the environment.")
  commands
    .command('repartition')
    .description(
      'Adds partitions to the topics and gives each the keys that its events may meet. Stop every service first.',
    )
    .requiredOption('--to <count>', 'the new partition count', count)
    .option('--dry-run', 'only say what would be done')
    .addHelpText(
      'after',
      '\nRepeat it after an interruption: it continues. Afterwards set TOPIC_PARTITIONS to the new count.\nSee docs/operations/dedup-state.md.',
    )
    .action(
      repeatable(async ({ to, dryRun = false }: { to: number; dryRun?: boolean }) => {
        const settings = dedup.loadConfig(environment())
        const act = () => repartition({ settings, to, dryRun, progress })
        // A dry run changes nothing, and is not noted.
        await (dryRun ? act() : noted(settings, 'dedup.repartition', { to }, act))
      }),
    )
  commands
    .command('rebuild-state')
    .description('Repairs one partition of the state topic from the events that the topics still hold.')
    .requiredOption('--partition <number>', 'the partition', count)
    .option('--partial', 'continue although some keys are lost for good: repeats of their events will pass')
    .option('--dry-run', 'only say what would be done')
    .addHelpText(
      'after',
      '\nStop dedup first. Repeat it after an interruption: it continues. Needs room for 60 bytes a key in the folder\nfor temporary files (TMPDIR). See docs/operations/dedup-state.md.',
    )
    .action(
      repeatable(async (options: { partition: number; partial?: boolean; dryRun?: boolean }) => {
        const { partition, partial = false, dryRun = false } = options
        const settings = dedup.loadConfig(environment())
        const windowMs = settings.windowSecs * 1_000
        const act = () => rebuildState({ settings, partition, windowMs, partial, dryRun, progress })
        await (dryRun ? act() : noted(settings, 'dedup.rebuild-state', { partition, partial }, act))
      }),
    )
}
