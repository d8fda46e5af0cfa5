import type { ServiceDefinition } from '@weir/service-kit'
import { loadConfig, SETTINGS, type NormalizerConfig } from './config.ts'
import { start } from './start.ts'

export type { NormalizerConfig }

export const normalizer: ServiceDefinition<NormalizerConfig> = {
  name: 'normalizer',
  settings: SETTINGS,
  loadConfig,
  start,
}
