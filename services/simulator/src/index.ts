import type { ServiceDefinition } from '@weir/runtime'
import { loadConfig, SETTINGS, type SimulatorConfig } from './config.ts'
import { startSimulator } from './start.ts'

export { Plan } from './plan.ts'
export { Sender } from './sender.ts'
export type { Shipment } from './shipment.ts'
export { startSimulator, type SimulatorService } from './start.ts'
export type { SimulatorConfig }

export const service: ServiceDefinition<SimulatorConfig> = {
  name: 'simulator',
  settings: SETTINGS,
  loadConfig,
  start: startSimulator,
}
