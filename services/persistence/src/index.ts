import type { ServiceDefinition } from '@weir/service-kit'
import { loadConfig, type PersistenceConfig } from './config.ts'
import { start } from './start.ts'

export type { PersistenceConfig }

export const persistence: ServiceDefinition<PersistenceConfig> = { name: 'persistence', loadConfig, start }
