import type { ServiceDefinition } from '@weir/runtime'
import { loadConfig, SETTINGS, type IngressConfig } from './config.ts'
import { start } from './start.ts'

export type { IngressConfig }

export const service: ServiceDefinition<IngressConfig> = {
  name: 'ingress',
  settings: SETTINGS,
  loadConfig,
  start,
}
