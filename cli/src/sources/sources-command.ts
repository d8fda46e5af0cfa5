import { describeSourcesFile, readSourcesFile, sourcesFileJsonSchema, sourceWarnings } from '@weir/sources'
import { InvalidArgumentError, type Command } from 'commander'
import { environment, loadFileConfig } from '../config.ts'
import { print, printJson, printPage, printRows, progress, withJson, type OutputOptions } from '../output.ts'
import { addRegisterCommand } from './registration/register-command.ts'
import { verifySource, type VerifyOptions } from './sources-verify.ts'

const epochSeconds = (text: string): number => {
  if (!/^\d{1,11}$/.test(text)) throw new InvalidArgumentError('must be seconds since 1970.')
  return Number(text)
}

const COLUMNS = { name: 'SOURCE', preset: 'PRESET', paths: 'PATHS' }

/** `weir sources`: helps to set up sources. Secrets come from the environment, as for ingress. */
export const addSourcesCommands = (program: Command): void => {
  const command = program
    .command('sources')
    .description('Explains signatures, checks the sources file, registers webhooks.')
  command
    .command('verify')
    .description('Explains step by step why a request’s signature holds or not. Prints no secret.')
    .requiredOption('--source <name>', 'the source that got the request')
    .requiredOption('--body <file>', 'its exact body; - reads standard input')
    .option(
      '--header <header>',
      "a header as 'name: value'; give all",
      (text, all: string[]) => [...all, text],
      [],
    )
    .option('--file <file>', 'the sources file (default: SOURCES_FILE, else the sources that need none)')
    .option(
      '--at <seconds>',
      'check timestamps as of this time, in seconds since 1970 (default: now)',
      epochSeconds,
    )
    .option('--method <method>', 'the method, if the provider signs it (default: POST)')
    .option('--target <target>', 'path and query, if the provider signs the address')
    .action((options: VerifyOptions) => {
      const { lines, exitCode } = verifySource(options, environment())
      print(...lines)
      process.exitCode = exitCode
    })
  withJson(command.command('check'))
    .description('Checks a sources file and lists its sources; reports everything that is wrong at once.')
    .argument('[file]', 'the file (default: SOURCES_FILE, else the sources that need none)')
    .action((file: string | undefined, { json = false }: OutputOptions) => {
      const { sources, problems } = readSourcesFile(file ?? loadFileConfig().sourcesFile)
      if (problems.length > 0) {
        if (json) printJson({ problems })
        else print(...problems)
        process.exitCode = 1
        return
      }
      const rows = sources.map(({ name, preset, paths }) => ({
        name,
        preset,
        paths: json ? paths : paths.join(' '),
      }))
      printRows(COLUMNS, rows, { json })
      progress(...sources.flatMap(sourceWarnings))
    })
  command
    .command('settings')
    .description('Prints every setting of a source in the file, as in docs/sources/sources-file.md.')
    .option('--json-schema', 'as JSON Schema, for editors')
    .action(({ jsonSchema }: { readonly jsonSchema?: boolean }) => {
      if (jsonSchema) printJson(sourcesFileJsonSchema())
      else printPage(describeSourcesFile())
    })
  addRegisterCommand(command)
}
