import { runService } from '@weir/runtime'
import { metricExport } from './index.ts'

await runService(metricExport)
