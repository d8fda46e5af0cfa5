import type { ServiceDefinition } from '@weir/service-kit'
import { loadConfig, SETTINGS, type PersistenceConfig } from './config.ts'
import { start } from './start.ts'

export type { PersistenceConfig }

export const persistence: ServiceDefinition<PersistenceConfig> = {
  name: 'persistence',
  settings: SETTINGS,
  loadConfig,
  start,
}
