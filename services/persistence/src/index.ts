import type { ServiceDefinition } from '@weir/runtime'
import { backfill, type BackfillOptions, type Backfilled } from './backfill.ts'
import { loadConfig, SETTINGS, type PersistenceConfig } from './config.ts'
import { RowFiller } from './postgres/row-filler.ts'
import { prepareDatabase, type DatabaseAddresses, type PreparedDatabase } from './postgres/roles.ts'
import { start } from './start.ts'

export type { PersistenceConfig }
export { backfill, prepareDatabase, RowFiller }
export type { BackfillOptions, Backfilled, DatabaseAddresses, PreparedDatabase }

export const service: ServiceDefinition<PersistenceConfig> = {
  name: 'persistence',
  settings: SETTINGS,
  loadConfig,
  start,
}
