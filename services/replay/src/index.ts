import type { ServiceDefinition } from '@weir/runtime'
import { loadConfig, SETTINGS, type ReplayConfig } from './config.ts'
import { start } from './start.ts'

export type { ReplayConfig }

export const service: ServiceDefinition<ReplayConfig> = {
  name: 'replay',
  settings: SETTINGS,
  loadConfig,
  start,
}
