import { runService } from '@weir/service-kit'
import { metricExport } from './index.ts'

await runService(metricExport)
