import type { ServiceDefinition } from '@weir/service-kit'
import { loadConfig, type NormalizerConfig } from './config.ts'
import { start } from './start.ts'

export type { NormalizerConfig }

export const normalizer: ServiceDefinition<NormalizerConfig> = { name: 'normalizer', loadConfig, start }
