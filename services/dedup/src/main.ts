import { runService } from '@weir/runtime'
import { dedup } from './index.ts'

await runService(dedup)
