import { parseArgs, type ParseArgsConfig } from 'node:util'

type Options = NonNullable<ParseArgsConfig['options']>
type Values<T extends Options> = ReturnType<typeof parseArgs<{ options: T; strict: true }>>['values']

/** Ends the process with code 2. */
export const failUsage = (help: string, problem: string): never => {
  process.stderr.write(`${problem}\n\n${help}`)
  process.exit(2)
}

/**
 * The options of this process. `--help` prints the help and ends the process; so does an argument that is not known,
 * with code 2.
 */
export const optionsOf = <T extends Options>(help: string, options: T): Values<T> => {
  const args = process.argv.slice(2)
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(help)
    process.exit(0)
  }
  try {
    return parseArgs({ args, options, strict: true }).values
  } catch (error) {
    return failUsage(help, (error as Error).message)
  }
}
