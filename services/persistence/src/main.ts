import { runService } from '@weir/runtime'
import { persistence } from './index.ts'

await runService(persistence)
