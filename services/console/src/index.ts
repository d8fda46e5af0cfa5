import type { ServiceDefinition } from '@weir/runtime'
import { loadConfig, SETTINGS, type ConsoleConfig } from './config.ts'
import { start } from './start.ts'

export type { ConsoleConfig }

export const service: ServiceDefinition<ConsoleConfig> = {
  name: 'console',
  settings: SETTINGS,
  loadConfig,
  start,
}
