import { readFileSync } from 'node:fs'
import {
  checkMappings,
  describeMappedFields,
  readMappings,
  tryMapping,
  type MappingTrial,
} from '@weir/normalizer'
import { ConfigError } from '@weir/runtime'
import type { Command } from 'commander'
import { loadFileConfig } from '../config.ts'
import { print, printJson, printPage, withJson, type OutputOptions } from '../output.ts'

/** Turns unusable mappings into a `ConfigError`. */
const usable = (act: () => void): void => {
  try {
    act()
  } catch (error) {
    if (!(error as Error).name.startsWith('Invalid')) throw error
    throw new ConfigError((error as Error).message, { cause: error })
  }
}

const readPayload = (file: string): Buffer => {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new ConfigError(`${file}: cannot be read (${(error as NodeJS.ErrnoException).code}).`)
  }
}

type FileTrial = MappingTrial & { readonly file: string }

/** Removes the fields that a trial makes up because there is no request. */
const shownEvent = ({ event }: FileTrial) => {
  if (event === undefined) return undefined
  const { raw: _, bodyHash: __, eventKey: ___, ...shown } = event
  return shown
}

/** Every file has all of these fields; null: the value is absent. */
const shownTrial = (trial: FileTrial) => ({
  file: trial.file,
  mapping: trial.mapping ?? null,
  matched: Object.fromEntries(Object.entries(trial.matched).map(([field, path]) => [field, path ?? null])),
  event: shownEvent(trial) ?? null,
  deadLetter: trial.deadLetter ?? null,
})

const printTrial = (trial: FileTrial): void => {
  const { file, mapping, matched, deadLetter } = trial
  print(
    `${file}: ${deadLetter ? `dead letter ${deadLetter.reason} (${deadLetter.error})` : `mapping ${mapping ?? ''}`}`,
  )
  for (const [field, path] of Object.entries(matched)) print(`  ${field.padEnd(22)} ${path ?? '(missing)'}`)
  const event = shownEvent(trial)
  if (event) printJson(event)
}

/** `weir mapping ...`: needs no server. */
export const addMappingCommands = (program: Command): void => {
  const mapping = program
    .command('mapping')
    .description('Mappings: try and check them. MAPPINGS_FILE names own files and folders.')
  withJson(mapping.command('test <files...>'))
    .requiredOption('--source <source>', 'whose payloads the files hold')
    .description('Shows the events that the mappings make of payloads, and which path gave each field.')
    .action((files: string[], { source, json }: OutputOptions & { readonly source: string }) =>
      usable(() => {
        const { mappingPaths, sourcesFile } = loadFileConfig()
        const set = readMappings(mappingPaths, sourcesFile)
        const trials = files.map((file) => ({ file, ...tryMapping(set, source, readPayload(file)) }))
        if (json) printJson(trials.map(shownTrial))
        else trials.forEach(printTrial)
        if (trials.some(({ deadLetter }) => deadLetter !== undefined)) process.exitCode = 1
      }),
    )
  withJson(mapping.command('check [paths...]'))
    .description('Reads mappings and runs their tests; without paths, those of MAPPINGS_FILE.')
    .action((paths: string[], { json }: OutputOptions) =>
      usable(() => {
        const { mappingPaths, sourcesFile } = loadFileConfig()
        const results = checkMappings(readMappings(paths.length > 0 ? paths : mappingPaths, sourcesFile))
        const failed = results.filter(({ problems }) => problems.length > 0)
        if (json) printJson(results)
        else {
          for (const { file, name, problems } of failed)
            print(`${file}: ${name}:`, ...problems.map((problem) => `  ${problem}`))
          print(`${results.length - failed.length} passed, ${failed.length} failed`)
        }
        if (failed.length > 0) process.exitCode = 1
      }),
    )
  mapping
    .command('fields')
    .description('Prints the fields that a mapping can fill, as in docs/operations/mappings.md.')
    .action(() => printPage(describeMappedFields()))
}
