import type { ServiceDefinition } from '@weir/runtime'
import { loadConfig, SETTINGS, type NormalizerConfig } from './config.ts'
import { start } from './start.ts'

export type { NormalizerConfig }
export { describeMappedFields } from './mappings/mapping.ts'
export {
  checkMappings,
  tryMapping,
  type MappingTrial,
  type MappingTestResult,
} from './mappings/try-mappings.ts'
export { readMappings } from './mappings/sources-file.ts'
export { ShapeCache } from './schemas/shape.ts'

export const service: ServiceDefinition<NormalizerConfig> = {
  name: 'normalizer',
  settings: SETTINGS,
  loadConfig,
  start,
}
