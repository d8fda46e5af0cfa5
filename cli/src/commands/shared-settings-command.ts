import { forgetSetting, publishedSettings } from '@weir/runtime'
import type { Command } from 'commander'
import { loadTopicsConfig } from '../config.ts'
import { noted } from '../operator-notes.ts'
import { printRows, progress, withJson, type OutputOptions } from '../output.ts'

const COLUMNS = { name: 'NAME', value: 'VALUE', service: 'PUBLISHED BY', since: 'SINCE' }

/** `weir shared-settings`: shows what the services of a deployment have published, and how to change it on purpose. */
export const addSharedSettingsCommand = (program: Command): void => {
  withJson(program.command('shared-settings'))
    .description('Prints what all services of the deployment must share; secrets as fingerprints.')
    .option('--forget <name>', 'the next service that starts publishes its own; stop every service first')
    .action(async ({ forget, json = false }: OutputOptions & { readonly forget?: string }) => {
      const settings = loadTopicsConfig()
      if (forget !== undefined) {
        const isKnown = await noted(settings, 'shared-settings.forget', { name: forget }, () =>
          forgetSetting(settings, forget),
        )
        progress(isKnown ? `${forget} is forgotten` : `${forget} is not published`)
        process.exitCode = isKnown ? 0 : 1
        return
      }
      const published = await publishedSettings(settings)
      const rows = published.map((one) => ({ ...one, since: new Date(one.since).toISOString() }))
      printRows(COLUMNS, rows, { json })
    })
}
