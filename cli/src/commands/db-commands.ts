import { prepareDatabase } from '@weir/persistence'
import type { Command } from 'commander'
import { loadDatabaseConfig } from '../config.ts'
import { print } from '../output.ts'

const listed = (names: readonly string[]): string => (names.length === 0 ? 'none' : names.join(', '))

export const addDbCommands = (program: Command): void => {
  program
    .command('db')
    .description('Sets up the database of persistence.')
    .command('migrate')
    .description(
      'Creates the roles and the tables, and grants each role its rights. May be repeated, and while services run.',
    )
    .action(async () => {
      const { migrations, handedOver } = await prepareDatabase(loadDatabaseConfig())
      print(`migrations applied: ${listed(migrations)}`)
      print(`tables handed over to their owner: ${listed(handedOver)}`)
    })
}
