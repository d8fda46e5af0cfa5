import { forgetSetting, publishedSettings } from '@weir/consumer'
import { Command } from 'commander'
import { loadTopicsConfig } from './config.ts'

/** `weir shared-settings`: what the services of a deployment have published, and how to change it on purpose. */
export const sharedSettingsCommand = (): Command =>
  new Command('shared-settings')
    .description('Prints what all services of the deployment must share; secrets as fingerprints.')
    .option('--forget <name>', 'the next service that starts publishes its own; stop every service first')
    .action(async ({ forget }: { readonly forget?: string }) => {
      const settings = loadTopicsConfig()
      if (forget !== undefined) {
        const isKnown = await forgetSetting(settings, forget)
        process.stderr.write(isKnown ? `${forget} is forgotten\n` : `${forget} is not published\n`)
        process.exitCode = isKnown ? 0 : 1
        return
      }
      for (const { name, value, service, since } of await publishedSettings(settings)) {
        process.stdout.write(`${name}\t${value}\t${service}\t${new Date(since).toISOString()}\n`)
      }
    })
