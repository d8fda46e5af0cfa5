import { runService } from '@weir/runtime'
import { service } from './index.ts'

await runService(service)
