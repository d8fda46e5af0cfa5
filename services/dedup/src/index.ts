import type { ServiceDefinition } from '@weir/service-kit'
import { loadConfig, SETTINGS, type DedupConfig } from './config.ts'
import { start } from './start.ts'

export type { DedupConfig }

export const dedup: ServiceDefinition<DedupConfig> = { name: 'dedup', settings: SETTINGS, loadConfig, start }
