import { runService } from '@weir/runtime'
import { replay } from './index.ts'

await runService(replay)
