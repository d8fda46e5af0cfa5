import { readFileSync } from 'node:fs'
import { ROOT } from '@weir/local-stack'
import { ConfigError } from '@weir/runtime'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { runAudit } from './commands/audit.ts'
import { addAuditLogCommands } from './commands/audit-log-commands.ts'
import { addBackfillCommand } from './commands/backfill-command.ts'
import { addCompletionCommand } from './commands/completion.ts'
import { describePorts, environment, readEnvFile, useEnvironment } from './config.ts'
import { addDbCommands } from './commands/db-commands.ts'
import { addDedupCommands } from './commands/dedup-commands.ts'
import { addDevCommand } from './start/dev-command.ts'
import { addDlqCommands } from './commands/dlq-commands.ts'
import { addHoldCommands } from './retention/hold-commands.ts'
import { addMappingCommands } from './commands/mapping-commands.ts'
import { addOffsetCommands } from './commands/offset-commands.ts'
import { printError, printPage, progress } from './output.ts'
import { addPartitionCommands } from './commands/partition-commands.ts'
import { addRetentionCommands } from './retention/retention-commands.ts'
import { runningStart } from './start/running-start.ts'
import { addSchemaCommands } from './commands/schema-commands.ts'
import { envExample, settingsReference } from './settings-reference.ts'
import { addSharedSettingsCommand } from './commands/shared-settings-command.ts'
import { addSourcesCommands } from './sources/sources-command.ts'
import { runStart, type StartOptions } from './start/start.ts'
import { runTopics } from './commands/topics.ts'
import { addTransactionCommands } from './commands/transaction-commands.ts'

const USAGE = 2

const number =
  (min: number, max: number) =>
  (text: string): number => {
    const value = Number(text)
    if (text.trim() === '' || Number.isNaN(value) || value < min || value > max) {
      throw new InvalidArgumentError(`must be a number from ${min} to ${max}.`)
    }
    return value
  }

const version = (): string =>
  (JSON.parse(readFileSync(`${ROOT}/package.json`, 'utf8')) as { readonly version: string }).version

const addStartCommand = (program: Command): void => {
  program
    .command('start')
    .description('Runs everything on this machine: servers, services, simulated traffic, and a live summary.')
    .addOption(
      new Option(
        '--for <seconds>',
        'then drain, check every event and exit; exit code 0 means that all is right',
      ).argParser(number(1, 2_592_000)),
    )
    .addOption(
      new Option('--rate <n>', 'HTTP requests per second, duplicates included')
        .argParser(number(0.1, 100_000))
        .default(50),
    )
    .addOption(
      new Option(
        '--late-after <seconds>',
        'delay of late duplicates after the event (default: the smaller of 60 and a third of --for)',
      ).argParser(number(0, 86_400)),
    )
    .addOption(
      new Option('--duplicates <fraction>', 'fraction of the requests that repeat an event')
        .argParser(number(0, 0.9))
        .default(0.2),
    )
    .option('--no-simulator', 'send nothing; events of an earlier run are still checked')
    .option('--fresh', 'delete the state of earlier runs first')
    .option('--summary <file>', 'write the result as JSON')
    .addHelpText(
      'after',
      `
Used instead of being started, when set: KAFKA_BROKERS, SCHEMA_REGISTRY_URL, DATABASE_URL, INFLUX_URL.
Ports: ${describePorts().join(', ')}.
Downloads, state and logs are in .weir (WEIR_HOME), which may be deleted while nothing runs.`,
    )
    .action(async (options: StartOptions) => {
      process.exitCode = await runStart(options)
    })
}

const addDeploymentCommands = (program: Command): void => {
  program
    .command('topics')
    .description('Creates missing topics and checks all topics. Settings come from the environment.')
    .action(async () => {
      process.exitCode = await runTopics()
    })
  program
    .command('audit')
    .description(
      'Waits until everything is processed and compares it with what a simulator has sent; stop the simulator first.',
    )
    .option('--summary <file>', 'write the result as JSON')
    .action(async (options: { readonly summary?: string }) => {
      process.exitCode = await runAudit(options)
    })
  program
    .command('settings')
    .description('Prints every setting of every service, as in docs/operations/configuration.md.')
    .option('--env', 'as .env.example instead')
    .action(({ env }: { env?: boolean }) => printPage(env ? envExample() : settingsReference()))
}

/** Every command of `weir`. Parsing one throws: see `runProgram`. */
export const createProgram = (): Command => {
  const program = new Command('weir')
    .description('Exactly-once webhook intake on Kafka.')
    .version(version())
    .option('--env-file <file>', 'settings as NAME=value lines; the environment overrides them')
    .showHelpAfterError()
    .exitOverride()
    .addHelpText(
      'after',
      `
Settings come from the environment, then from --env-file. Without that file, and unless the environment names other
servers, they are those of the \`npm start\` that runs in WEIR_HOME.
Exit codes: 0 done, 1 not done or not right, 2 a wrong call or an unusable setting; the message says which.`,
    )
    .hook('preAction', (_, action) => {
      const { envFile } = program.opts<{ readonly envFile?: string }>()
      if (envFile !== undefined) useEnvironment(readEnvFile(envFile))
      else if (action.name() !== 'start') useEnvironment(runningStart(environment()) ?? {})
    })
  addStartCommand(program)
  addDeploymentCommands(program)
  addDbCommands(program)
  addDedupCommands(program)
  addDevCommand(program)
  addDlqCommands(program)
  addAuditLogCommands(program)
  addMappingCommands(program)
  addOffsetCommands(program)
  addTransactionCommands(program)
  addPartitionCommands(program)
  addSchemaCommands(program)
  addBackfillCommand(program)
  addRetentionCommands(program)
  addHoldCommands(program)
  addSharedSettingsCommand(program)
  addSourcesCommands(program)
  addCompletionCommand(program)
  return program
}

/** Whether only the environment gives settings. */
const isAlone = (args: readonly string[]): boolean =>
  !args.some((arg) => arg === 'start' || arg.startsWith('--env-file')) &&
  runningStart(environment()) === undefined

/** Runs one command and prints its error as one message, without a stack. Returns the exit code. */
export const runProgram = async (args: readonly string[]): Promise<number> => {
  try {
    await createProgram().parseAsync([...args], { from: 'user' })
  } catch (error) {
    // commander has already printed what is wrong with the call.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE
    printError(error as Error)
    if (!(error instanceof ConfigError)) return 1
    if (error.message.includes('is not set') && isAlone(args)) {
      progress(
        'This command reads its settings from a running `npm start`, and none runs in WEIR_HOME: start one, or give --env-file.',
      )
    }
    return USAGE
  }
  return Number(process.exitCode ?? 0)
}
