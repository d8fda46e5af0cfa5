import type { ServiceDefinition } from '@weir/runtime'
import { loadConfig, SETTINGS, type DedupConfig } from './config.ts'
import { start } from './start.ts'

export { rebuildState, type RebuildOptions } from './maintenance/rebuild-state.ts'
export { repartition, type RepartitionOptions } from './maintenance/repartition.ts'
export type { DedupConfig }

export const service: ServiceDefinition<DedupConfig> = {
  name: 'dedup',
  settings: SETTINGS,
  loadConfig,
  start,
}
