import type { ServiceDefinition } from '@weir/runtime'
import { backfill, type BackfillOptions, type Backfilled } from './backfill.ts'
import { loadConfig, SETTINGS, type PersistenceConfig } from './config.ts'
import { RowFiller } from './postgres/row-filler.ts'
import { prepareDatabase, type DatabaseAddresses, type PreparedDatabase } from './postgres/roles.ts'
import { Holds, type Hold, type Subject } from './retention/holds.ts'
import { Retention, type DeletedRows, type RetentionRun } from './retention/retention.ts'
import { planRetention, runRetention, type RetentionOptions } from './retention/run-retention.ts'
import { start } from './start.ts'

export type { PersistenceConfig }
export { backfill, Holds, planRetention, prepareDatabase, Retention, RowFiller, runRetention }
export type { DeletedRows, Hold, RetentionOptions, RetentionRun, Subject }
export type { BackfillOptions, Backfilled, DatabaseAddresses, PreparedDatabase }

export const service: ServiceDefinition<PersistenceConfig> = {
  name: 'persistence',
  settings: SETTINGS,
  loadConfig,
  start,
}
