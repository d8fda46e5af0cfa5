import { runService } from '@weir/runtime'
import { simulator } from './index.ts'

await runService(simulator)
