import type { ServiceDefinition } from '@weir/runtime'
import { loadConfig, SETTINGS, type MetricExportConfig } from './config.ts'
import { start } from './start.ts'

export { readTotals, type InfluxSettings, type InfluxTotals } from './influx.ts'
export type { MetricExportConfig }

export const service: ServiceDefinition<MetricExportConfig> = {
  name: 'metric-export',
  settings: SETTINGS,
  loadConfig,
  start,
}
