import type { ServiceDefinition } from '@weir/service-kit'
import { loadConfig, type DedupConfig } from './config.ts'
import { start } from './start.ts'

export type { DedupConfig }

export const dedup: ServiceDefinition<DedupConfig> = { name: 'dedup', loadConfig, start }
